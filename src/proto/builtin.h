/* builtin.h: the FileDescriptorSet of firehose.proto, put into the library by embed.cmake. */
#ifndef FH_PROTO_BUILTIN_H
#define FH_PROTO_BUILTIN_H

#include <stddef.h>

extern const unsigned char fh_builtin_descriptor_set[];
extern const size_t fh_builtin_descriptor_set_len;

#endif
