/* partition.c */
#include "fh/event.h"
