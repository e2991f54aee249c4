/* Which pairs of a row count, and as what. */
#include "core/backend/host.h"

void fut_host_select_row(const fut_pair_rows *rows, int64_t i, uint8_t *kind)
{
    const int64_t a = rows->row[i];
    for (int64_t j = 0; j < rows->batch; j++) {
        const bool itself = j == a || rows->image[j] == rows->image[a];
        kind[j] = itself ? FUT_PAIR_LEFT_OUT : rows->label[j] == rows->label[a] ? FUT_PAIR_POSITIVE : FUT_PAIR_NEGATIVE;
    }
}
