/* report_codec.c */
#include "fh/event.h"
