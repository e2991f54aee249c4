#include "tests/support/device.h"

#include "tests/support/support.h"

void *fut_test_device(fut_backend *bk, const void *host, size_t bytes)
{
    void *device = NULL;
    FUT_TEST_OK(bk->alloc(bk, bytes, &device));
    if (host) fut_test_to_device(bk, device, host, bytes);
    return device;
}

void fut_test_to_device(fut_backend *bk, void *device, const void *host, size_t bytes)
{
    FUT_TEST_OK(bk->upload(bk, device, host, bytes, NULL));
    FUT_TEST_OK(bk->sync(bk, NULL));
}

void fut_test_from_device(fut_backend *bk, void *host, const void *device, size_t bytes)
{
    FUT_TEST_OK(bk->download(bk, host, device, bytes, NULL));
    FUT_TEST_OK(bk->sync(bk, NULL));
}
