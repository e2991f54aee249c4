/* The people that a run trains on, numbered: what a loss of classes has a weight vector of. */
#ifndef FUT_LAUNCH_CLASSES_H
#define FUT_LAUNCH_CLASSES_H

#include "data/dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_classes {
    int64_t *of; /* [identities] a label's place among those trained on, -1: not one of them */
    int64_t n;
} fut_classes;

/* Those with at least min_images photos in the training part, in the order of their labels. Owns: classes_out, release with fini. */
fut_status fut_classes_init(const fut_dataset *dataset, int64_t min_images, fut_classes *classes_out) FUT_MUST_CHECK;
void fut_classes_fini(fut_classes *classes);

#ifdef __cplusplus
}
#endif

#endif
