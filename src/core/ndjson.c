/* ndjson.c */
#include "fh/event.h"
