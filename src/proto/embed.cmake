# Writes a C file that holds the bytes of INPUT: cmake -DINPUT=.. -DOUTPUT=.. -P embed.cmake
file(READ ${INPUT} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR bytes "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," array "${hex}")
string(REPEAT "0x..," 12 line)
string(REGEX REPLACE "(${line})" "\\1\n" array "${array}")
file(WRITE ${OUTPUT} "/* Generated from firehose.proto: do not edit. */
#include \"builtin.h\"

const unsigned char fh_builtin_descriptor_set[] = {
${array}
};
const size_t fh_builtin_descriptor_set_len = ${bytes};
")
