/* Plain arrays in a backend's memory, for tests that run on any backend. */
#ifndef FUT_TESTS_SUPPORT_DEVICE_H
#define FUT_TESTS_SUPPORT_DEVICE_H

#include "core/backend/backend.h"

/* A new block with the bytes of host in it (NULL: whatever is there); bk->free releases it. */
void *fut_test_device(fut_backend *bk, const void *host, size_t bytes);
/* Waits for the device. */
void fut_test_to_device(fut_backend *bk, void *device, const void *host, size_t bytes);
void fut_test_from_device(fut_backend *bk, void *host, const void *device, size_t bytes);

#endif
