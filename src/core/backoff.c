/* backoff.c */
#include "fh/event.h"
