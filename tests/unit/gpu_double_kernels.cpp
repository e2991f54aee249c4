/* Kernels on the GPU double: they compute what they should, and each kind of planted mistake is found. What finds it:
 *     out of bounds, device memory      guards after the operation (up to 255 bytes beyond), a fault (further); under AddressSanitizer the
 * access out of bounds, shared memory      the array's own check; guards for plain pointers uninitialised device memory       NaN from the
 * 0xFF fill uninitialised shared memory, race between barriers, divergent barrier or shuffle            the double's own checks race
 * between blocks               different results under different seeds */
#include "gpu_double_child.h"

#include "gpu_kernel.h"

#define fut_warp_sum steps_warp_sum
#define fut_warp_max steps_warp_max
#define fut_block_sum steps_block_sum
#include "core/backend/cuda/nvcc/gpu_kernel_sums.h"
#undef fut_warp_sum
#undef fut_warp_max
#undef fut_block_sum

namespace
{

#if defined(__SANITIZE_ADDRESS__)
constexpr bool asan = true;
#else
constexpr bool asan = false;
#endif

/* ---- kernels that are right ---- */

FUT_KERNEL_FN void scale(int64_t n, float a, const float *x, float *y)
{
    const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i];
}

struct pair {
    const float *x;
    int64_t n;
    float *y;
};

FUT_KERNEL_FN void copy_pair(pair p)
{
    for (int64_t i = threadIdx.x; i < p.n; i += blockDim.x)
        p.y[i] = p.x[i];
}

template <typename T, int N> FUT_KERNEL_FN void twice_packed(const T *x, T *y)
{
    fut_pack<T, N> pack = fut_load_pack<N>(x + N * threadIdx.x);
    for (int i = 0; i < N; i++)
        fut_store(&pack.v[i], 2 * fut_load(&pack.v[i]));
    fut_store_pack(y + N * threadIdx.x, pack);
}

/* Where every thread of a 3-d launch is, by number. */
FUT_KERNEL_FN void places(float *y)
{
    const unsigned int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    y[block * static_cast<unsigned int>(fut_block_threads()) + static_cast<unsigned int>(fut_thread_index())] +=
        static_cast<float>(block + 1);
}

/* Both ways of adding up, whose bits must agree. */
template <typename T> FUT_KERNEL_FN void sums(const float *x, T *y)
{
    FUT_SHARED(T, scratch, 32);
    const int i = fut_thread_index(), n = fut_block_threads();
    const T value = static_cast<T>(x[i]);
    y[i] = fut_warp_sum(value) - steps_warp_sum(value);
    y[n + i] = fut_warp_max(value) - steps_warp_max(value);
    const T once = fut_block_sum(value, scratch);
    y[2 * n + i] = once;
    y[3 * n + i] = once - steps_block_sum<T>(value, scratch);
    y[4 * n + i] = FUT_SHFL_DOWN(value, 3);
}

/* A tree in dynamic shared memory, two arrays in it. */
FUT_KERNEL_FN void tree(const float *x, float *y)
{
    FUT_DYNAMIC_SHARED(float, all);
    const int i = static_cast<int>(threadIdx.x), n = static_cast<int>(blockDim.x);
    const fut_shared<float> squares = all + n;
    all[i] = x[i];
    squares[i] = x[i] * x[i];
    for (int half = n / 2; half > 0; half /= 2) {
        FUT_SYNC();
        if (i < half) {
            all[i] += all[i + half];
            squares[i] += squares[i + half];
        }
    }
    if (i == 0) {
        y[0] = all[0];
        y[1] = *squares;
    }
}

void scene_right_results()
{
    stage g;
    g.fill(1);
    OK(g.upload(g.s));
    OK(FUT_LAUNCH(scale, dim3(4), dim3(256), 0, g.s, g.n, 2.0f, g.d, g.e));
    const pair p = {g.e, g.n, g.d};
    OK(FUT_LAUNCH(copy_pair, 1, 128, 0, g.s, p));
    OK(g.download(g.s));
    OK(cudaStreamSynchronize(g.s));
    for (int i = 0; i < g.n; i++)
        NEED(g.h[i] == 2 * static_cast<float>(i + 1));

    OK(FUT_LAUNCH((twice_packed<float, 4>), 1, 100, 0, g.s, g.d, g.e));
    OK(cudaMemsetAsync(g.d, 0, g.bytes, g.s));
    OK(FUT_LAUNCH(places, dim3(2, 3, 2), dim3(4, 2, 3), 0, g.s, g.d));
    OK(cudaMemcpyAsync(g.h, g.d, g.bytes, cudaMemcpyDeviceToHost, g.s));
    OK(cudaStreamSynchronize(g.s));
    for (int i = 0; i < 288; i++)
        NEED(g.h[i] == static_cast<float>(i / 24 + 1));
    OK(cudaMemcpyAsync(g.h, g.e, 400 * sizeof(float), cudaMemcpyDeviceToHost, g.s));
    OK(cudaStreamSynchronize(g.s));
    for (int i = 0; i < 400; i++)
        NEED(g.h[i] == 4 * static_cast<float>(i + 1));
}

template <typename T> void compare_sums(const stage &g, dim3 block)
{
    const int n = static_cast<int>(block.x * block.y);
    T *y = nullptr, *back = nullptr;
    OK(cudaMalloc(reinterpret_cast<void **>(&y), 5 * static_cast<size_t>(n) * sizeof(T)));
    OK(cudaMallocHost(reinterpret_cast<void **>(&back), 5 * static_cast<size_t>(n) * sizeof(T)));
    OK(FUT_LAUNCH_SYNC(sums<T>, 1, block, 0, g.s, g.d, y));
    OK(cudaMemcpyAsync(back, y, 5 * static_cast<size_t>(n) * sizeof(T), cudaMemcpyDeviceToHost, g.s));
    OK(cudaStreamSynchronize(g.s));
    T total = 0;
    for (int i = 0; i < n; i++)
        total += static_cast<T>(g.h[i]);
    for (int i = 0; i < n; i++) {
        NEED(back[i] == 0 && back[n + i] == 0 && back[3 * n + i] == 0);
        NEED(std::abs(static_cast<double>(back[2 * n + i] - total)) <= 1e-4 * std::abs(static_cast<double>(total)));
        NEED(back[2 * n + i] == back[2 * n]);
        NEED(back[4 * n + i] == static_cast<T>(g.h[i % 32 < 29 ? i + 3 : i]));
    }
    OK(cudaFree(y));
    OK(cudaFreeHost(back));
}

void scene_sums()
{
    stage g;
    for (int i = 0; i < g.n; i++)
        g.h[i] = 0.1f * static_cast<float>(i * 7 % 13) - 0.3f;
    OK(g.upload(g.s));
    OK(cudaStreamSynchronize(g.s));
    compare_sums<float>(g, 256);
    compare_sums<double>(g, 96);
    compare_sums<float>(g, dim3(16, 8));
    for (int i = 0; i < g.n; i++)
        g.h[i] = static_cast<float>(i % 11);
    OK(g.upload(g.s));
    OK(cudaStreamSynchronize(g.s));
    compare_sums<int>(g, 64);
    OK(FUT_LAUNCH_SYNC(tree, 1, 128, 2 * 128 * sizeof(float), g.s, g.d, g.e));
    OK(cudaMemcpyAsync(g.h, g.e, 8, cudaMemcpyDeviceToHost, g.s));
    OK(cudaStreamSynchronize(g.s));
    NEED(g.h[0] == 11 * 55 + 21 && g.h[1] == 11 * 385 + 91); /* 128 = 11 * 11 + 7 */
}

/* Every f16 and bf16 there is, and every place between two neighbours where rounding may go wrong. */
template <typename T> void check_storage(uint16_t infinity, uint16_t step_of_one)
{
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        T half, back, rounded;
        half.bits = static_cast<uint16_t>(bits);
        const float value = fut_load(&half);
        fut_store(&back, value);
        if ((bits & 0x7fff) > infinity) {
            assert_true(std::isnan(value) && (back.bits & 0x7fff) > infinity);
            continue;
        }
        assert_int_equal(back.bits, half.bits);
        if ((bits & 0x7fff) >= infinity) continue;
        T after;
        after.bits = static_cast<uint16_t>(bits + 1);
        /* the largest finite number's neighbour would be one more step away */
        const float next = (bits & 0x7fff) + 1 < infinity ? fut_load(&after) : 0;
        if (next == 0) continue;
        const float middle = static_cast<float>((static_cast<double>(value) + static_cast<double>(next)) / 2);
        fut_store(&rounded, middle);
        assert_int_equal(rounded.bits, bits % 2 == 0 ? bits : bits + 1);
        fut_store(&rounded, std::nextafter(middle, value));
        assert_int_equal(rounded.bits, bits);
        fut_store(&rounded, std::nextafter(middle, next));
        assert_int_equal(rounded.bits, bits + 1);
    }
    T one;
    fut_store(&one, 1.0f);
    assert_int_equal(one.bits, step_of_one);
}

void storage_types(void **state)
{
    (void)state;
    check_storage<fut_f16>(0x7c00, 0x3c00);
    check_storage<fut_bf16>(0x7f80, 0x3f80);
    fut_f16 half;
    fut_store(&half, 65519.0f);
    assert_int_equal(half.bits, 0x7bff);
    fut_store(&half, 65520.0f);
    assert_int_equal(half.bits, 0x7c00);
    fut_store(&half, 1e-8f);
    assert_int_equal(half.bits, 0);
}

void right_results(void **state)
{
    (void)state;
    for (const char *seed : {"GPU_DOUBLE_SEED=0", "GPU_DOUBLE_SEED=1", "GPU_DOUBLE_SEED=2", "GPU_DOUBLE_SEED=3"}) {
        WELL(scene_right_results, {seed, "GPU_DOUBLE_LEAKS=2"});
        WELL(scene_sums, {seed, "GPU_DOUBLE_LEAKS=2"});
    }
}

/* ---- device memory ---- */

FUT_KERNEL_FN void write_at(float *x, int64_t i)
{
    if (threadIdx.x == 3) x[i] = 1;
}

FUT_KERNEL_FN void read_through(float *const *table)
{
    *table[0] = 1;
}

FUT_KERNEL_FN void load_odd(const float *x, float *y)
{
    fut_store_pack(y, fut_load_pack<4>(x + 1));
}

void write_element(int64_t i)
{
    stage g;
    OK(FUT_LAUNCH(write_at, 1, 32, 0, g.s, g.d, i));
    (void)cudaStreamSynchronize(g.s);
}

void scene_one_past_the_end()
{
    write_element(stage::n);
}

/* Of a block that begins inside a page. */
void scene_one_before()
{
    stage g;
    float *small = nullptr;
    OK(cudaMalloc(reinterpret_cast<void **>(&small), 256));
    OK(FUT_LAUNCH(write_at, 1, 32, 0, g.s, small, int64_t(-1)));
    (void)cudaStreamSynchronize(g.s);
}

void scene_far_out()
{
    write_element(30000);
}

void scene_pinned_argument()
{
    stage g;
    (void)FUT_LAUNCH(write_at, 1, 32, 0, g.s, g.h, int64_t(0));
}

void scene_host_argument()
{
    stage g;
    float local[4];
    (void)FUT_LAUNCH(write_at, 1, 32, 0, g.s, local, int64_t(0));
}

void scene_table_of_pointers()
{
    stage g;
    float *table[1] = {g.d};
    OK(cudaMemcpyAsync(g.e, table, sizeof table, cudaMemcpyHostToDevice, g.s));
    OK(FUT_LAUNCH(read_through, 1, 1, 0, g.s, reinterpret_cast<float *const *>(g.e)));
    (void)cudaStreamSynchronize(g.s);
}

void scene_misaligned()
{
    stage g;
    OK(FUT_LAUNCH(load_odd, 1, 1, 0, g.s, g.d, g.e));
    (void)cudaStreamSynchronize(g.s);
}

void scene_uninitialised_device()
{
    stage g;
    OK(FUT_LAUNCH(scale, 4, 256, 0, g.s, g.n, 2.0f, g.d, g.e));
    OK(cudaMemcpyAsync(g.h, g.e, g.bytes, cudaMemcpyDeviceToHost, g.s));
    OK(cudaStreamSynchronize(g.s));
    NEED(std::isnan(g.h[0]) && std::isnan(g.h[g.n - 1]));
}

void scene_broken_device()
{
    stage g;
    (void)FUT_LAUNCH(write_at, 1, 32, 0, g.s, g.d, int64_t(30000)); /* fails later, as on the device */
    NEED(cudaStreamSynchronize(g.s) == cudaErrorIllegalAddress && cudaGetLastError() == cudaErrorIllegalAddress);
    NEED(FUT_LAUNCH(write_at, 1, 32, 0, g.s, g.d, int64_t(0)) == cudaErrorIllegalAddress);
    NEED(cudaStreamSynchronize(g.t) == cudaErrorIllegalAddress);
}

void device_memory(void **state)
{
    (void)state;
    const ending after = play(scene_one_past_the_end), before = play(scene_one_before);
    assert_true(!after.exited(0) && after.tells(asan ? "AddressSanitizer" : "'write_at': somebody wrote 4000 bytes from the start"));
    assert_true(!before.exited(0) && before.tells(asan ? "AddressSanitizer" : "'write_at': somebody wrote -4 bytes from the start"));
    STOPPED("outside every live block of device memory", scene_far_out);
    STOPPED("is pinned host memory, not device memory", scene_pinned_argument);
    STOPPED("is not device memory", scene_host_argument);
    STOPPED("a device address nobody turned into a real one", scene_table_of_pointers);
    STOPPED("a pack of 4 is loaded from misaligned", scene_misaligned);
    WELL(scene_uninitialised_device);
    WELL(scene_broken_device, {"GPU_DOUBLE_STRICT=0"});
}

/* ---- shared memory and barriers; `wrong` plants the mistake ---- */

/* Each thread adds its neighbour's. */
FUT_KERNEL_FN void neighbours(bool wrong, const float *x, float *y)
{
    FUT_SHARED(float, tile, 64);
    const int i = static_cast<int>(threadIdx.x);
    tile[i] = x[i];
    if (!wrong) FUT_SYNC();
    y[i] = tile[i] + tile[(i + 1) % 64];
}

/* The tile is filled again for a second round, which its readers of the first must have left. */
FUT_KERNEL_FN void two_rounds(bool wrong, const float *x, float *y)
{
    FUT_SHARED(float, tile, 64);
    const int i = static_cast<int>(threadIdx.x);
    float sum = 0;
    for (int round = 0; round < 2; round++) {
        tile[i] = x[64 * round + i];
        FUT_SYNC();
        sum += tile[63 - i];
        if (!wrong) FUT_SYNC();
    }
    y[i] = sum;
}

FUT_KERNEL_FN void ragged(bool wrong, const float *x, float *y)
{
    FUT_SHARED(float, tile, 64);
    const int i = static_cast<int>(threadIdx.x);
    if (i < 50) tile[i] = x[i];
    FUT_SYNC();
    if (i < (wrong ? 51 : 50)) y[i] = tile[i];
}

FUT_KERNEL_FN void overrun(bool wrong, float *y)
{
    FUT_SHARED(float, tile, 64);
    FUT_SHARED(float, behind, 64);
    const int i = static_cast<int>(threadIdx.x);
    behind[i] = 1;
    tile[wrong ? i + 1 : i] = 0;
    FUT_SYNC();
    y[i] = behind[i];
}

FUT_KERNEL_FN void raw_overrun(bool wrong, float *y)
{
    FUT_SHARED(float, tile, 64);
    float *plain = tile;
    const int i = static_cast<int>(threadIdx.x);
    plain[wrong ? i + 1 : i] = 2;
    FUT_SYNC();
    y[i] = plain[i];
}

FUT_KERNEL_FN void early_leave(bool wrong, const float *x, float *y)
{
    FUT_SHARED(float, tile, 64);
    const int i = static_cast<int>(threadIdx.x);
    if (wrong && i >= 60) return;
    tile[i] = x[i];
    FUT_SYNC();
    y[i] = tile[i];
}

FUT_KERNEL_FN void two_barriers(bool wrong, float *y)
{
    if (wrong && threadIdx.x % 2 == 0)
        FUT_SYNC();
    else
        FUT_SYNC();
    y[threadIdx.x] = 1;
}

FUT_KERNEL_FN void half_a_warp(bool wrong, float *y)
{
    float value = 1;
    if (!wrong || threadIdx.x % 32 < 16) value = FUT_SHFL_XOR(value, 1);
    y[threadIdx.x] = value;
}

/* The array that block_sum used is written by others before they all have read it. */
FUT_KERNEL_FN void scratch_in_use(bool wrong, const float *x, float *y)
{
    FUT_SHARED(float, scratch, 32);
    const float sum = fut_block_sum(x[threadIdx.x], scratch);
    if (!wrong) FUT_SYNC();
    if (threadIdx.x == 1) scratch[0] = sum;
    y[threadIdx.x] = sum;
}

template <typename Launch> void run_planted(const Launch &launch)
{
    const bool wrong = getenv("PLANT") != nullptr;
    stage g;
    g.fill(1);
    OK(g.upload(g.s));
    OK(launch(g, wrong));
    OK(cudaMemcpyAsync(g.h, g.e, 64 * sizeof(float), cudaMemcpyDeviceToHost, g.s));
    const cudaError_t end = cudaStreamSynchronize(g.s);
    const char *lenient = getenv("GPU_DOUBLE_STRICT");
    if (wrong && lenient != nullptr) {
        NEED(end == cudaErrorLaunchFailure || end == cudaErrorIllegalAddress);
        NEED(gpu_double_reports() == 1);
        return;
    }
    OK(end);
    for (int i = 0; i < 50; i++)
        NEED(!std::isnan(g.h[i]));
}

#define SCENE(kernel, ...)                                                                                                                 \
    void scene_##kernel()                                                                                                                  \
    {                                                                                                                                      \
        run_planted([](const stage &g, bool wrong) { return FUT_LAUNCH_SYNC(kernel, 2, 64, 0, g.s, wrong, __VA_ARGS__); });                \
    }
SCENE(neighbours, g.d, g.e)
SCENE(two_rounds, g.d, g.e)
SCENE(ragged, g.d, g.e)
SCENE(overrun, g.e)
SCENE(raw_overrun, g.e)
SCENE(early_leave, g.d, g.e)
SCENE(two_barriers, g.e)
SCENE(half_a_warp, g.e)
SCENE(scratch_in_use, g.d, g.e)

void check_planted(void (*scene)(), const char *words)
{
    WELL(scene);
    for (const char *seed : {"GPU_DOUBLE_SEED=0", "GPU_DOUBLE_SEED=1", "GPU_DOUBLE_SEED=2", "GPU_DOUBLE_SEED=5"})
        STOPPED(words, scene, {"PLANT=1", seed});
    WELL(scene, {"PLANT=1", "GPU_DOUBLE_STRICT=0"});
}

void shared_memory(void **state)
{
    (void)state;
    check_planted(scene_two_rounds, "race: thread");
    check_planted(scene_ragged, "element 50 is read, and nobody has written it");
    check_planted(scene_overrun, "shared array tile has 64 elements, element 64 is touched");
    if (!asan) check_planted(scene_raw_overrun, "wrote past the end of shared array tile");
    check_planted(scene_scratch_in_use, "race: thread");
    /* Depending on the order of the threads the neighbour's element is not there yet, or a racing one. */
    WELL(scene_neighbours);
    for (const char *seed : {"GPU_DOUBLE_SEED=0", "GPU_DOUBLE_SEED=1", "GPU_DOUBLE_SEED=2", "GPU_DOUBLE_SEED=5"}) {
        const ending e = play(scene_neighbours, {"PLANT=1", seed});
        assert_true(e.aborted() && (e.tells("nobody has written it") || e.tells("race: thread")));
    }
}

void barriers(void **state)
{
    (void)state;
    check_planted(scene_early_leave, "divergence: ");
    check_planted(scene_two_barriers, "divergence: ");
    check_planted(scene_half_a_warp, "divergence: ");
}

/* ---- launches ---- */

/* Every block adds to the same element: the result depends on the order of the blocks. */
FUT_KERNEL_FN void blocks_race(float *y)
{
    if (threadIdx.x == 0) y[0] = y[0] * 0.5f + static_cast<float>(blockIdx.x);
}

void scene_blocks_race()
{
    stage g;
    OK(cudaMemsetAsync(g.d, 0, g.bytes, g.s));
    OK(FUT_LAUNCH(blocks_race, 7, 32, 0, g.s, g.d));
    OK(g.download(g.s));
    OK(cudaStreamSynchronize(g.s));
    fprintf(stderr, "%a", static_cast<double>(g.h[0]));
}

void scene_block_too_large()
{
    stage g;
    (void)FUT_LAUNCH(places, 1, 1025, 0, g.s, g.d);
}

void scene_grid_of_none()
{
    stage g;
    NEED(FUT_LAUNCH(places, 0, 32, 0, g.s, g.d) == cudaErrorInvalidConfiguration);
    NEED(cudaGetLastError() == cudaSuccess); /* the launch took it along */
}

void scene_too_much_shared()
{
    stage g;
    (void)FUT_LAUNCH_SYNC(tree, 1, 128, (48 << 10) + 4, g.s, g.d, g.e);
}

FUT_KERNEL_FN void sync_only(float *y)
{
    FUT_SYNC();
    y[threadIdx.x] = 0;
}

FUT_KERNEL_FN void too_deep(float *y)
{
    volatile unsigned char local[100 << 10];
    for (int i = (100 << 10) - 1; i >= 0; i -= 512)
        local[i] = 1;
    FUT_SYNC();
    y[threadIdx.x] = local[5];
}

void scene_stack_too_small()
{
    stage g;
    OK(FUT_LAUNCH_SYNC(too_deep, 1, 32, 0, g.s, g.d));
    (void)cudaStreamSynchronize(g.s);
}

void scene_barrier_in_a_plain_launch()
{
    stage g;
    OK(FUT_LAUNCH(sync_only, 1, 32, 0, g.s, g.d));
    (void)cudaStreamSynchronize(g.s);
}

void scene_wrong_device()
{
    stage g;
    OK(cudaSetDevice(1));
    (void)FUT_LAUNCH(places, 1, 32, 0, g.s, g.d);
}

void scene_error_nobody_read()
{
    stage g;
    NEED(cudaSetDevice(99) == cudaErrorInvalidDevice);
    NEED(FUT_LAUNCH(places, 1, 32, 0, g.s, g.d) == cudaErrorInvalidDevice); /* as cudaGetLastError after <<<>>> says */
    OK(FUT_LAUNCH(places, 1, 32, 0, g.s, g.d));
    OK(cudaStreamSynchronize(g.s));
}

void scene_kernels_race()
{
    stage g;
    OK(FUT_LAUNCH(scale, 4, 256, 0, g.s, g.n, 2.0f, g.d, g.e));
    (void)FUT_LAUNCH(scale, 4, 256, 0, g.t, g.n, 2.0f, g.e, g.d);
}

void scene_third_kernel_fails()
{
    stage g;
    for (int i = 0; i < 4; i++)
        (void)FUT_LAUNCH(places, 1, 32, 0, g.s, g.d);
    NEED(cudaStreamSynchronize(g.s) == cudaErrorLaunchFailure);
    NEED(gpu_double_calls("kernel") == 3 && gpu_double_reports() == 0);
}

void launches(void **state)
{
    (void)state;
    std::string first = play(scene_blocks_race, {"GPU_DOUBLE_SEED=0"}).said;
    bool differs = false;
    for (const char *seed : {"GPU_DOUBLE_SEED=1", "GPU_DOUBLE_SEED=2", "GPU_DOUBLE_SEED=3", "GPU_DOUBLE_SEED=4"})
        differs = differs || play(scene_blocks_race, {seed}).said != first;
    assert_true(differs);
    assert_string_equal(play(scene_blocks_race, {"GPU_DOUBLE_SEED=0"}).said.c_str(), first.c_str());
    STOPPED("a block beyond 1024", scene_block_too_large);
    WELL(scene_grid_of_none, {"GPU_DOUBLE_STRICT=0"});
    STOPPED("more than 48 KiB of shared memory", scene_too_much_shared);
    STOPPED("in a kernel launched with FUT_LAUNCH", scene_barrier_in_a_plain_launch);
    if (!asan) STOPPED("beyond the 60 KiB of stack a thread has", scene_stack_too_small);
    STOPPED("while device 1 is current", scene_wrong_device);
    WELL(scene_error_nobody_read);
    STOPPED("race: 'scale' (stream 1) reads 'pointer argument'", scene_kernels_race);
    WELL(scene_third_kernel_fails, {"GPU_DOUBLE_FAIL=kernel:3=719"});
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {cmocka_unit_test(storage_types), cmocka_unit_test(right_results), cmocka_unit_test(device_memory),
                                cmocka_unit_test(shared_memory), cmocka_unit_test(barriers),      cmocka_unit_test(launches)};
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
