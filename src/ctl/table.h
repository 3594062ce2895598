/* table.h: columns of text, as wide as their widest cell. */
#ifndef FH_CTL_TABLE_H
#define FH_CTL_TABLE_H

#include "fh/buf.h"

#define FH_TABLE_COLUMNS 8
#define FH_TABLE_ROWS    64
#define FH_TABLE_CELL    48

struct fh_table {
    size_t columns;
    size_t rows;
    char cell[FH_TABLE_ROWS][FH_TABLE_COLUMNS][FH_TABLE_CELL];
    char note[FH_TABLE_ROWS][512]; /* a line of its own under the row; empty = none */
    unsigned right;                /* bit per column: numbers stand right */
};

/* Begin a row; NULL when there are too many (the rest is not shown). */
char (*fh_table_row(struct fh_table *table))[FH_TABLE_CELL];
/* With two blanks in front; the first row is the heading. A column that is empty in every row but
 * the heading is left out. */
int fh_table_print(const struct fh_table *table, struct fh_buf *into);

#endif
