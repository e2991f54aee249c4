/* Who touched which bytes, and whether anything orders two touches: vector clocks, as a race detector has them, over streams instead of
 * threads. It looks at the program's order of enqueueing, so what it says does not depend on the timing of a run.
 *
 *     known[t] of stream s = how many operations of stream t are before the next one of s: through events, and through the host's waits */
#include "double_impl.h"

#include <algorithm>
#include <cstring>

namespace gpu_double
{

void learn(knowledge &into, const knowledge &from)
{
    for (int i = 0; i < max_streams; i++)
        into[static_cast<size_t>(i)] = std::max(into[static_cast<size_t>(i)], from[static_cast<size_t>(i)]);
}

namespace
{

bool is_before(place earlier, place now, const knowledge &known)
{
    return earlier.slot < 0 || earlier.slot == now.slot || earlier.seq <= known[static_cast<size_t>(earlier.slot)];
}

void race(const gpu_double_range &range, const block &b, uintptr_t at, const char *name, place now, place earlier, const char *earlier_name,
          bool wrote)
{
    report("race: '%s' (stream %d) %s '%s', %zu bytes from the start of a block of %zu, which '%s' (stream %d) %s; no event and no wait "
           "orders them",
           name, now.slot, range.write ? "writes" : "reads", range.what, static_cast<size_t>(at - b.base), b.bytes, earlier_name,
           earlier.slot, wrote ? "wrote" : "read");
}

/* Make `at` the first byte of a piece, if it lies inside one. */
void cut(std::map<uintptr_t, touched> &history, uintptr_t at)
{
    auto after = history.upper_bound(at);
    if (after == history.begin()) return;
    auto piece = std::prev(after);
    if (piece->first == at || piece->second.end <= at) return;
    touched right = piece->second;
    piece->second.end = at;
    history.emplace(at, std::move(right));
}

void note_reader(touched &t, place at, const char *name)
{
    for (touched::reader &r : t.readers)
        if (r.at.slot == at.slot) {
            r = {at, name};
            return;
        }
    t.readers.push_back({at, name});
}

/* Look at the pieces of [lo, hi), and tell the first that is not ordered before `now`. */
void compare(const gpu_double_range &range, block &b, uintptr_t lo, uintptr_t hi, place now, const knowledge &known, const char *name)
{
    for (auto piece = b.history.lower_bound(lo); piece != b.history.end() && piece->first < hi; ++piece) {
        const touched &t = piece->second;
        if (!is_before(t.writer, now, known)) {
            race(range, b, piece->first, name, now, t.writer, t.writer_name, true);
            return;
        }
        if (!range.write) continue;
        for (const touched::reader &r : t.readers)
            if (!is_before(r.at, now, known)) {
                race(range, b, piece->first, name, now, r.at, r.name, false);
                return;
            }
    }
}

void note_read(std::map<uintptr_t, touched> &history, uintptr_t lo, uintptr_t hi, place now, const char *name)
{
    auto piece = history.lower_bound(lo);
    for (uintptr_t at = lo; at < hi;) {
        if (piece == history.end() || piece->first > at) {
            const uintptr_t end = piece == history.end() ? hi : std::min(hi, piece->first);
            piece = history.emplace_hint(piece, at, touched{end, {-1, 0}, "", {}});
        }
        note_reader(piece->second, now, name);
        at = piece->second.end;
        ++piece;
    }
}

uint64_t hash_of(const unsigned char *p, size_t bytes)
{
    uint64_t lane[4] = {1, 2, 3, 4};
    size_t at = 0;
    for (; at + 32 <= bytes; at += 32)
        for (int i = 0; i < 4; i++) {
            uint64_t word;
            memcpy(&word, p + at + 8 * i, 8);
            lane[i] = (lane[i] ^ word) * 0x9e3779b97f4a7c15u;
            lane[i] ^= lane[i] >> 32;
        }
    for (; at < bytes; at++)
        lane[0] = (lane[0] ^ p[at]) * 0x9e3779b97f4a7c15u;
    return lane[0] ^ lane[1] * 3 ^ lane[2] * 5 ^ lane[3] * 7;
}

bool overlap(const unsigned char *a, size_t a_bytes, const unsigned char *b, size_t b_bytes)
{
    return a < b + b_bytes && b < a + a_bytes;
}

void hand_over(delivery &d)
{
    memcpy(d.dst, d.data.data(), d.data.size());
}

bool known_to_host(place at)
{
    return at.seq <= the_world().host[static_cast<size_t>(at.slot)];
}

} // namespace

bool check_range(const gpu_double_range &range, int device, bool kernel, bool copy, const char *name)
{
    if (range.bytes == 0) return true;
    const block *b = find_block(range.ptr);
    if (b == nullptr) {
        report("%s: %s %p is %s", name, range.what, range.ptr,
               in_device_space(range.ptr) ? "freed device memory, or outside every block of it" : "not device memory");
        return false;
    }
    if (b->device < 0 && !copy) {
        report("%s: %s %p is pinned host memory, not device memory", name, range.what, range.ptr);
        return false;
    }
    if (b->device >= 0 && b->device != device && !copy) {
        report("%s: %s %p is memory of device %d, used on device %d", name, range.what, range.ptr, b->device, device);
        return false;
    }
    const size_t offset = reinterpret_cast<uintptr_t>(range.ptr) - b->base;
    if (!kernel && range.bytes > b->bytes - offset) {
        report("%s: %s has %zu bytes, but %zu bytes into a block of %zu only %zu are left", name, range.what, range.bytes, offset, b->bytes,
               b->bytes - offset);
        return false;
    }
    return true;
}

void note_access(const gpu_double_range &range, place now, const knowledge &known, const char *name)
{
    if (range.bytes == 0) return;
    block *b = find_block(range.ptr);
    if (b == nullptr) return;
    const uintptr_t lo = reinterpret_cast<uintptr_t>(range.ptr), hi = std::min(lo + range.bytes, b->base + b->bytes);
    if (lo >= hi) return;
    cut(b->history, lo);
    cut(b->history, hi);
    compare(range, *b, lo, hi, now, known, name);
    if (!range.write) {
        note_read(b->history, lo, hi, now, name);
        return;
    }
    b->history.erase(b->history.lower_bound(lo), b->history.lower_bound(hi));
    b->history.emplace(lo, touched{hi, now, name, {}});
}

void host_learns(const knowledge &known)
{
    world &w = the_world();
    learn(w.host, known);
    w.deliveries.remove_if([](const std::shared_ptr<delivery> &d) {
        if (!d->arrived || !known_to_host(d->at)) return false;
        hand_over(*d);
        return true;
    });
    w.sources.remove_if([](const source &s) {
        if (!known_to_host(s.at)) return false;
        if (s.checked && hash_of(s.src, s.bytes) != s.hash)
            report("the host changed pinned memory at %p (%zu bytes) before it had waited for the upload from there",
                   static_cast<const void *>(s.src), s.bytes);
        return true;
    });
}

void submit_copy(const action &a, place at, operation &op)
{
    world &w = the_world();
    if (a.to_host && find_block(a.dst) != nullptr) {
        unsigned char *dst = static_cast<unsigned char *>(a.dst);
        bool in_use = false; /* by an upload before us, which must find its bytes */
        for (source &s : w.sources)
            if (overlap(s.src, s.bytes, dst, a.bytes)) {
                in_use = true;
                s.checked = false;
            }
        if (!in_use) memset(dst, 0xff, a.bytes);
        op.to_host = std::make_shared<delivery>();
        op.to_host->at = at;
        op.to_host->dst = dst;
        op.to_host->bytes = a.bytes;
        w.deliveries.push_back(op.to_host);
    }
    if (a.from_host && find_block(a.src) != nullptr) {
        const unsigned char *src = static_cast<const unsigned char *>(a.src);
        const bool changing = std::any_of(w.deliveries.begin(), w.deliveries.end(),
                                          [&](const std::shared_ptr<delivery> &d) { return overlap(d->dst, d->bytes, src, a.bytes); });
        w.sources.push_back({at, src, a.bytes, !changing, changing ? 0 : hash_of(src, a.bytes)});
    }
}

void run_copy(const action &a, delivery *to_host, guard &held)
{
    world &w = the_world();
    if (a.from_host)
        w.deliveries.remove_if([&](const std::shared_ptr<delivery> &d) {
            if (!d->arrived || !overlap(d->dst, d->bytes, static_cast<const unsigned char *>(a.src), a.bytes)) return false;
            hand_over(*d);
            return true;
        });
    held.unlock();
    const void *src = gpu_double_translate(a.src);
    void *dst = const_cast<void *>(gpu_double_translate(a.dst));
    if (to_host != nullptr) {
        const unsigned char *p = static_cast<const unsigned char *>(src);
        to_host->data.assign(p, p + a.bytes);
    } else {
        memcpy(dst, src, a.bytes);
    }
    held.lock();
    if (to_host != nullptr) to_host->arrived = true;
}

void forget_host_block(const block &b)
{
    world &w = the_world();
    w.deliveries.remove_if([&](const std::shared_ptr<delivery> &d) { return overlap(d->dst, 1, b.real, b.bytes); });
    w.sources.remove_if([&](const source &s) { return overlap(s.src, 1, b.real, b.bytes); });
}

} // namespace gpu_double
