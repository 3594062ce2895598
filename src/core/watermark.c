/* watermark.c */
#include "fh/event.h"
