/* envelope.c */
#include "fh/event.h"
