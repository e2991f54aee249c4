/* Settings, counting, injected failures, reports, and what is said at exit. */
#include "double_impl.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <csignal>
#include <sys/syscall.h>
#include <unistd.h>

namespace gpu_double
{

namespace
{

struct failure {
    std::string entry;
    uint64_t nth;
    bool onwards;
    enum { CODE, DIE, HANG } how;
    int code;
};

struct book {
    std::mutex lock; /* its own: entries are counted with and without the world's lock held */
    std::map<std::string, uint64_t, std::less<>> calls;
    std::vector<failure> failures;
    int reports = 0;
    bool injected = false; /* some call has failed on purpose */
    std::string last_report;
};

/* Never destroyed: workers may outlive main. */
book &the_book()
{
    static book &b = *new book;
    return b;
}

const char *text_of(const char *name, const char *otherwise)
{
    const char *text = getenv(name);
    return text ? text : otherwise;
}

long long number_of(const char *name, long long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoll(text, nullptr, 0) : otherwise;
}

std::vector<std::string> split(const std::string &text, char at)
{
    std::vector<std::string> parts;
    size_t from = 0;
    while (from <= text.size()) {
        const size_t to = std::min(text.find(at, from), text.size());
        if (to > from) parts.push_back(text.substr(from, to - from));
        from = to + 1;
    }
    return parts;
}

std::string rank()
{
    return text_of("OMPI_COMM_WORLD_RANK", text_of("PMIX_RANK", "0"));
}

[[noreturn]] void bad_setting(const char *name, const std::string &text)
{
    fprintf(stderr, "gpu double: %s: cannot read '%s'\n", name, text.c_str());
    abort();
}

/* entry:n=code[@rank] */
void read_failure(book &b, const std::string &row)
{
    failure f{};
    const size_t colon = row.find(':'), equals = row.find('='), at = row.find('@');
    if (colon == std::string::npos || equals == std::string::npos || equals < colon) bad_setting("GPU_DOUBLE_FAIL", row);
    if (at != std::string::npos && row.substr(at + 1) != rank()) return;
    f.entry = row.substr(0, colon);
    char *end;
    f.nth = strtoull(row.c_str() + colon + 1, &end, 10);
    f.onwards = *end == '+';
    const std::string code = row.substr(equals + 1, at == std::string::npos ? at : at - equals - 1);
    f.how = code == "die" ? failure::DIE : code == "hang" ? failure::HANG : failure::CODE;
    f.code = static_cast<int>(strtol(code.c_str(), &end, 10));
    if (f.nth == 0 || (f.how == failure::CODE && (*end != '\0' || code.empty()))) bad_setting("GPU_DOUBLE_FAIL", row);
    b.failures.push_back(f);
}

settings read_settings()
{
    settings s{};
    s.devices = static_cast<int>(number_of("GPU_DOUBLE_DEVICES", 4));
    s.driver = static_cast<int>(number_of("GPU_DOUBLE_DRIVER", CUDART_VERSION));
    s.memory = static_cast<size_t>(number_of("GPU_DOUBLE_MEMORY", 2LL << 30));
    s.names = split(text_of("GPU_DOUBLE_NAMES", "NVIDIA GPU double"), ',');
    s.seed = static_cast<uint64_t>(number_of("GPU_DOUBLE_SEED", 1));
    s.delay_us = static_cast<int>(number_of("GPU_DOUBLE_DELAY_US", 100));
    s.strict = number_of("GPU_DOUBLE_STRICT", 1) != 0;
    s.leaks = static_cast<int>(number_of("GPU_DOUBLE_LEAKS", 1));
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    if (!visible) {
        for (int i = 0; i < s.devices; i++)
            s.visible.push_back(i);
    } else {
        /* As CUDA: the list ends at the first index that is no device. */
        for (const std::string &text : split(visible, ',')) {
            char *end;
            const long i = strtol(text.c_str(), &end, 10);
            if (*end != '\0' || i < 0 || i >= s.devices) break;
            s.visible.push_back(static_cast<int>(i));
        }
    }
    for (const std::string &row : split(text_of("GPU_DOUBLE_FAIL", ""), ','))
        read_failure(the_book(), row);
    return s;
}

void write_counts(const char *pattern)
{
    std::string name = pattern;
    const size_t at = name.find("%r");
    if (at != std::string::npos) name.replace(at, 2, rank());
    FILE *f = fopen(name.c_str(), "a");
    if (!f) {
        fprintf(stderr, "gpu double: cannot write %s: %s\n", name.c_str(), strerror(errno));
        return;
    }
    std::lock_guard<std::mutex> held(the_book().lock);
    for (const auto &[entry, calls] : the_book().calls)
        fprintf(f, "%s %llu\n", entry.c_str(), static_cast<unsigned long long>(calls));
    fclose(f);
}

struct leftovers {
    int blocks = 0, pinned = 0, streams = 0, events = 0, graphs = 0, execs = 0;
    size_t bytes = 0;
    int all() const
    {
        return blocks + pinned + streams + events + graphs + execs;
    }
};

leftovers count_leftovers()
{
    world &w = the_world();
    guard held(w.lock);
    leftovers l;
    for (const auto &[base, b] : w.blocks) {
        (b->device < 0 ? l.pinned : l.blocks)++;
        l.bytes += b->bytes;
    }
    for (const cudaStream_t s : w.streams)
        l.streams += !s->hidden && !s->ends;
    l.events = static_cast<int>(w.events.size());
    l.graphs = static_cast<int>(w.graphs.size());
    l.execs = static_cast<int>(w.execs.size());
    return l;
}

thread_local cudaError_t last_error = cudaSuccess;

/* At exit. _exit and signals go past it. */
struct farewell {
    ~farewell()
    {
        const char *counts = getenv("GPU_DOUBLE_COUNT");
        if (counts && *counts) write_counts(counts);
        const leftovers l = count_leftovers();
        if (the_settings().leaks == 0 || l.all() == 0) return;
        fprintf(
            stderr,
            "gpu double: never freed: %d blocks of device memory, %d of pinned memory (%zu bytes), %d streams, %d events, %d graphs, %d "
            "executable graphs\n",
            l.blocks, l.pinned, l.bytes, l.streams, l.events, l.graphs, l.execs);
        if (the_settings().leaks >= 2) _exit(99);
    }
};

[[noreturn]] void hang()
{
    for (;;)
        pause();
}

} // namespace

thread_local int current_device = 0;

world &the_world()
{
    static world &w = []() -> world & {
        world &made = *new world;
        made.used.resize(the_settings().visible.size() + 1);
        install_fault_handler();
        static farewell at_exit;
        return made;
    }();
    return w;
}

const settings &the_settings()
{
    static const settings &s = *new settings(read_settings());
    return s;
}

/* splitmix64 */
uint64_t next_random(uint64_t &state)
{
    uint64_t x = state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

void report(const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fprintf(stderr, "gpu double: %s\n", text);
    if (the_settings().strict) abort();
    std::lock_guard<std::mutex> held(the_book().lock);
    the_book().reports++;
    the_book().last_report = text;
}

bool is_sticky(cudaError_t error)
{
    switch (error) {
    case cudaErrorECCUncorrectable:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorLaunchFailure:
        return true;
    default:
        return false;
    }
}

cudaError_t fail(cudaError_t error)
{
    if (error != cudaSuccess) last_error = error;
    return error;
}

cudaError_t take_last_error(bool clear)
{
    const cudaError_t error = last_error;
    if (clear && !is_sticky(error)) last_error = cudaSuccess;
    return error;
}

void fail_device_locked(cudaError_t error)
{
    world &w = the_world();
    if (w.sticky == cudaSuccess) w.sticky = error;
    w.progress.notify_all();
}

bool some_call_failed()
{
    std::lock_guard<std::mutex> held(the_book().lock);
    return the_book().injected;
}

} // namespace gpu_double

using namespace gpu_double;

bool gpu_double_enter(const char *entry, int *status)
{
    (void)the_settings();
    const failure *hit = nullptr;
    {
        book &b = the_book();
        std::lock_guard<std::mutex> held(b.lock);
        auto row = b.calls.find(std::string_view(entry));
        if (row == b.calls.end()) row = b.calls.emplace(entry, 0).first;
        const uint64_t nth = ++row->second;
        for (const failure &f : b.failures)
            if (f.entry == entry && (f.onwards ? nth >= f.nth : nth == f.nth)) hit = &f;
        if (hit) b.injected = true;
    }
    if (!hit) return false;
    fprintf(stderr, "gpu double: injected: %s %s\n", entry,
            hit->how == failure::DIE    ? "dies"
            : hit->how == failure::HANG ? "hangs"
                                        : "fails");
    if (hit->how == failure::DIE) raise(SIGKILL);
    if (hit->how == failure::HANG) hang();
    *status = hit->code;
    if (strncmp(entry, "cuda", 4) == 0 && is_sticky(static_cast<cudaError_t>(hit->code))) {
        guard held(the_world().lock);
        fail_device_locked(static_cast<cudaError_t>(hit->code));
    }
    return true;
}

void gpu_double_misuse(const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    report("%s", text);
}

int gpu_double_reports(void)
{
    std::lock_guard<std::mutex> held(the_book().lock);
    return the_book().reports;
}

const char *gpu_double_last_report(void)
{
    static thread_local std::string copy;
    std::lock_guard<std::mutex> held(the_book().lock);
    copy = the_book().last_report;
    return copy.c_str();
}

uint64_t gpu_double_calls(const char *entry)
{
    std::lock_guard<std::mutex> held(the_book().lock);
    const auto row = the_book().calls.find(std::string_view(entry));
    return row == the_book().calls.end() ? 0 : row->second;
}

int gpu_double_leaks(void)
{
    return count_leftovers().all();
}

size_t gpu_double_bytes_used(void)
{
    world &w = the_world();
    guard held(w.lock);
    size_t all = 0;
    for (const size_t used : w.used)
        all += used;
    return all;
}

void gpu_double_fail_device(cudaError_t error)
{
    guard held(the_world().lock);
    fail_device_locked(error);
}
