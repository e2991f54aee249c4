/* The configuration's `update:`: which parameters are trained how. */
#ifndef FUT_LAUNCH_UPDATE_H
#define FUT_LAUNCH_UPDATE_H

#include "core/nn/net.h"
#include "core/optim/optim.h"
#include "launch/config.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Tell the optimizer of the network's tensors: groups, frozen ones, an average of the weights. Errors: FUT_ERR_CONFIG for a beginning of a
 * name in update.frozen that no parameter has, and where nothing would be left to train. */
fut_status fut_update_arrange(const fut_config *config, const fut_net *net, fut_optim *optim) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
