/* terminal.c: owns which bytes a terminal would obey, and how they are shown instead. */
#include "terminal.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define TEXT_MAX ((size_t)256 * 1024 * 1024) /* six times what may come, and more */

size_t fh_terminal_obeys(const char *bytes, size_t len)
{
    unsigned char first = len > 0 ? (unsigned char)bytes[0] : ' ';
    if (first < 0x20 || first == 0x7f) {
        return 1;
    }
    unsigned char second = len > 1 ? (unsigned char)bytes[1] : ' ';
    return first == 0xc2 && second >= 0x80 && second < 0xa0 ? 2 : 0;
}

int fh_terminal_text(const char *bytes, size_t len, struct fh_buf *into)
{
    int r = 0;
    for (size_t at = 0; at < len && r == 0;) {
        size_t plain = at;
        size_t obeyed = 0;
        while (plain < len && (bytes[plain] == '\n' || bytes[plain] == '\t' ||
                               (obeyed = fh_terminal_obeys(bytes + plain, len - plain)) == 0)) {
            plain++;
        }
        r = fh_buf_append(into, bytes + at, plain - at);
        if (r == 0 && obeyed > 0) {
            r = fh_buf_printf(into, "\\u%04x", (unsigned)(unsigned char)bytes[plain + obeyed - 1]);
        }
        at = plain + obeyed;
    }
    return r;
}

bool fh_terminal_print(const char *bytes, size_t len)
{
    static int terminal = -1;
    if (terminal < 0) {
        terminal = isatty(STDOUT_FILENO);
    }
    if (terminal == 0) {
        return fwrite(bytes, 1, len, stdout) == len;
    }
    struct fh_buf text;
    fh_buf_init(&text, TEXT_MAX);
    int r = fh_terminal_text(bytes, len, &text);
    bool written = r == 0 && fwrite(text.data, 1, text.len, stdout) == text.len;
    errno = r < 0 ? -r : errno;
    fh_buf_done(&text);
    return written;
}
