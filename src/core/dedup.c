/* dedup.c */
#include "fh/event.h"
