/* Where buffers with known lifetimes lie in a few regions of memory; private to core/nn.
 *
 *   offset ^   [----B----]
 *          |   [-A-]  [---C---]        A and C share bytes: they are never alive together
 *          +--------------------> time */
#ifndef FUT_CORE_NN_BUFFERS_IMPL_H
#define FUT_CORE_NN_BUFFERS_IMPL_H

#include "core/base/status.h"

#include <stddef.h>

enum { FUT_BUFFER_ALIGN = 256 };

typedef struct fut_buffer {
    int region; /* which region of memory; buffers of different regions never meet */
    size_t bytes;
    int first, last; /* alive at times first..last, both included */
    size_t offset;   /* out: multiple of FUT_BUFFER_ALIGN */
} fut_buffer;

/* First fit, largest buffer first. region_bytes_out: [regions], the size each needs.
 * Errors: FUT_ERR_NO_MEMORY. */
fut_status fut_buffers_place(fut_buffer *buffers, int count, int regions, size_t *region_bytes_out) FUT_MUST_CHECK;

#endif
