/* Tensors against the lines that make_net.py's summary() writes: name norm (index value) x 4. */
#ifndef FUT_TESTS_GOLDEN_NET_LINES_H
#define FUT_TESTS_GOLDEN_NET_LINES_H

#include "tests/golden/net_fill.h"

#include <stdlib.h>

enum { NET_PICKS = 4 };

static inline const fut_net_tensor *net_find_tensor(const fut_net *net, const char *name)
{
    for (int64_t i = 0; i < fut_net_tensor_count(net); i++)
        if (strcmp(fut_net_tensor_at(net, i)->name, name) == 0) return fut_net_tensor_at(net, i);
    fail_msg("no tensor %s", name);
    return NULL;
}

/* Compare a tensor with its line: norm and picks, both relative to *scale, which becomes the tensor's norm. A bias is measured against the
 * weight before it where that is larger: the gradient of a shift which the next batch norm takes away again is zero but for rounding.
 * Returns the larger error. */
static inline double net_tensor_error(fut_dtype real, const fut_net_tensor *tensor, const void *pack, char **cursor, double *scale)
{
    double sum = 0, norm = strtod(*cursor, cursor);
    bool bias = strcmp(strrchr(tensor->name, '.'), ".bias") == 0;
    if (!bias || norm > *scale) *scale = norm;
    for (int64_t i = 0; i < tensor->count; i++) {
        double value = net_fill_load(real, pack, tensor->offset + i);
        sum += value * value;
    }
    double worst = fabs(sqrt(sum) - norm) / *scale;
    for (int k = 0; k < NET_PICKS; k++) {
        int64_t index = strtoll(*cursor, cursor, 10);
        double want = strtod(*cursor, cursor);
        double error = fabs(net_fill_load(real, pack, tensor->offset + index) - want) / *scale;
        if (!(error <= worst)) worst = error;
    }
    return worst;
}

#endif
