/* A net's tensors from and to safetensors files with timm's names. */
#ifndef FUT_CORE_NN_WEIGHTS_H
#define FUT_CORE_NN_WEIGHTS_H

#include "core/nn/net.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Load parameters and statistics, of any float dtype. A classifier ("classifier.*", "fc.*" where the network has none) is left out, with a
 * notice; without "embedder.*" the embedding layer and its batch norm keep the values they have, with a notice; "num_batches_tracked" may
 * be there or not. Errors: FUT_ERR_NO_INPUT, FUT_ERR_PERMISSION, FUT_ERR_IO, FUT_ERR_DATA (not a valid file, or not this network: missing
 * and unexpected tensors and other shapes are counted, the first few named; or a value that is not finite). The net is untouched on error.
 */
fut_status fut_weights_load(fut_net *net, const char *path) FUT_MUST_CHECK;
/* Write every tensor, and num_batches_tracked beside each batch norm's, so that timm and PyTorch load the file. Atomic.
 * Errors: as fut_file_write. */
fut_status fut_weights_save(fut_net *net, const char *path) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
