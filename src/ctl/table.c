/* table.c: lays out a table. Knows nothing of what stands in it. */
#include "table.h"

#include <stdbool.h>
#include <string.h>

char (*fh_table_row(struct fh_table *table))[FH_TABLE_CELL]
{
    if (table->rows == FH_TABLE_ROWS) {
        return NULL;
    }
    size_t row = table->rows++;
    memset(table->cell[row], 0, sizeof(table->cell[row]));
    table->note[row][0] = '\0';
    return table->cell[row];
}

/* Width of a column in characters (UTF-8 counted by its first bytes), 0 when nothing is in it. */
static size_t characters(const char *text)
{
    size_t count = 0;
    for (; *text; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

static size_t column_width(const struct fh_table *table, size_t column)
{
    size_t width = characters(table->cell[0][column]);
    bool used = false;
    for (size_t row = 1; row < table->rows; row++) {
        size_t n = characters(table->cell[row][column]);
        used = used || n > 0;
        width = n > width ? n : width;
    }
    return used ? width : 0;
}

static int print_row(const struct fh_table *table, size_t row, const size_t *width,
                     struct fh_buf *into)
{
    int r = 0;
    size_t blanks = 2; /* owed in front of the next cell; never printed at the end of a line */
    for (size_t column = 0; column < table->columns && r == 0; column++) {
        const char *cell = table->cell[row][column];
        if (width[column] == 0) {
            continue;
        }
        size_t pad = width[column] - characters(cell);
        bool right = table->right >> column & 1;
        if (*cell) {
            r = fh_buf_printf(into, "%*s%s", (int)(blanks + (right ? pad : 0)), "", cell);
            blanks = 2 + (right ? 0 : pad);
        } else {
            blanks += width[column] + 2;
        }
    }
    if (r == 0) {
        r = fh_buf_append(into, "\n", 1);
    }
    if (r == 0 && table->note[row][0]) {
        r = fh_buf_printf(into, "    %s\n", table->note[row]);
    }
    return r;
}

int fh_table_print(const struct fh_table *table, struct fh_buf *into)
{
    size_t width[FH_TABLE_COLUMNS] = {0};
    for (size_t column = 0; column < table->columns; column++) {
        width[column] = column_width(table, column);
    }
    for (size_t row = 0; row < table->rows; row++) {
        int r = print_row(table, row, width, into);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
