/* read_file.h: for tests: a whole file, a .zst one decompressed, as a string. */
#ifndef TEST_READ_FILE_H
#define TEST_READ_FILE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* NULL when the file cannot be read or its zstd frame is damaged or not complete. */
static inline char *test_read_file(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        return NULL;
    }
    size_t room = 64 * 1024 * 1024;
    char *text = malloc(room);
    size_t len = fread(text, 1, room - 1, file);
    fclose(file);
    size_t path_len = strlen(path);
    if (path_len > 4 && strcmp(path + path_len - 4, ".zst") == 0) {
        char *plain = malloc(room);
        ZSTD_DCtx *context = ZSTD_createDCtx();
        ZSTD_inBuffer in = {text, len, 0};
        ZSTD_outBuffer out = {plain, room - 1, 0};
        size_t left = 1;
        while (in.pos < in.size && !ZSTD_isError(left) && out.pos < out.size) {
            left = ZSTD_decompressStream(context, &out, &in);
        }
        ZSTD_freeDCtx(context);
        free(text);
        if (left != 0) {
            free(plain);
            return NULL;
        }
        text = plain;
        len = out.pos;
    }
    text[len] = '\0';
    *ret_len = len;
    return text;
}

#endif
