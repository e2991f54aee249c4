/* How ranks find each other and what carries their letters. */
#include "nccl_double.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 5, RANKS_MAX = 1024 };
static const uint32_t head_magic = 0x4e43434cU;

/* What a rank tells the keeper of the id, and the keeper's answer once all ranks have come. */
typedef struct hello {
    int ranks, rank, physical_device, version;
} hello;

typedef struct answer {
    ncclResult_t code;
    char text[200];
} answer;

/* ---- sockets that can be aborted ---- */

static bool is_aborted(ncclComm_t comm)
{
    (void)pthread_mutex_lock(&comm->lock);
    bool aborted = comm->aborted;
    (void)pthread_mutex_unlock(&comm->lock);
    return aborted;
}

/* False: the communicator was aborted meanwhile. comm NULL: the keeper, which is never. */
static bool wait_ready(ncclComm_t comm, int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};
    while (poll(&one, 1, LOOK_MS) <= 0)
        if (comm && is_aborted(comm)) return false;
    return true;
}

static bool read_all(ncclComm_t comm, int fd, void *data, size_t bytes)
{
    char *at = data;
    while (bytes > 0) {
        if (!wait_ready(comm, fd, POLLIN)) return false;
        ssize_t got = recv(fd, at, bytes, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (got <= 0) return false;
        at += got;
        bytes -= (size_t)got;
    }
    return true;
}

static bool write_all(ncclComm_t comm, int fd, const void *data, size_t bytes)
{
    const char *at = data;
    while (bytes > 0) {
        if (!wait_ready(comm, fd, POLLOUT)) return false;
        ssize_t put = send(fd, at, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (put <= 0) return false;
        at += put;
        bytes -= (size_t)put;
    }
    return true;
}

/* The abstract name "<id>.<who>": it vanishes with the last process that has it open. */
static socklen_t name_socket(const ncclUniqueId *id, const char *who, struct sockaddr_un *name_out)
{
    *name_out = (struct sockaddr_un){.sun_family = AF_UNIX};
    int length = snprintf(name_out->sun_path + 1, sizeof name_out->sun_path - 1, "%.70s.%s", id->internal, who);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

static int listen_as(const ncclUniqueId *id, const char *who)
{
    struct sockaddr_un name;
    socklen_t length = name_socket(id, who, &name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&name, length) != 0 || listen(fd, RANKS_MAX) != 0)) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

static int connect_to(const ncclUniqueId *id, const char *who)
{
    struct sockaddr_un name;
    socklen_t length = name_socket(id, who, &name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&name, length) != 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

/* Signals are the program's own affair. */
static int start_thread(pthread_t *thread, void *(*body)(void *), void *arg)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(thread, NULL, body, arg);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

/* ---- the keeper of a unique id: a thread of the process that made it ---- */

typedef struct keeper {
    hello all[RANKS_MAX];
    int fds[RANKS_MAX];
    bool came[RANKS_MAX];
    answer verdict;
} keeper;

/* False: not a rank at all. What does not fit the others is everyone's verdict. */
static bool judge(keeper *k, const hello *one)
{
    if (one->ranks < 1 || one->ranks > RANKS_MAX || one->rank < 0 || one->rank >= one->ranks) return false;
    for (int r = 0; r < RANKS_MAX; r++) {
        if (!k->came[r]) continue;
        if (k->all[r].ranks != one->ranks || r == one->rank) {
            k->verdict.code = ncclInvalidUsage;
            (void)snprintf(k->verdict.text, sizeof k->verdict.text, "rank %d of %d joined a communicator that has rank %d of %d", one->rank,
                           one->ranks, r, k->all[r].ranks);
        } else if (k->all[r].physical_device == one->physical_device) {
            k->verdict.code = ncclInvalidUsage;
            (void)snprintf(k->verdict.text, sizeof k->verdict.text, "Duplicate GPU detected : rank %d and rank %d both on CUDA device %x",
                           one->rank, r, one->physical_device);
        }
    }
    return true;
}

static void gather_ranks(keeper *k, int listener)
{
    int ranks = 1;
    for (int n = 0; n < ranks && k->verdict.code == ncclSuccess;) {
        hello one;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 && errno != EINTR) return;
        if (fd < 0) continue;
        if (!read_all(NULL, fd, &one, sizeof one) || !judge(k, &one)) {
            (void)close(fd);
            continue;
        }
        if (k->came[one.rank]) (void)close(k->fds[one.rank]);
        ranks = one.ranks;
        k->all[one.rank] = one;
        k->came[one.rank] = true;
        k->fds[one.rank] = fd;
        n++;
    }
}

static void *keep_id(void *arg)
{
    int listener = (int)(intptr_t)arg;
    keeper *k = calloc(1, sizeof *k);
    if (k) gather_ranks(k, listener);
    for (int r = 0; k && r < RANKS_MAX; r++) {
        if (!k->came[r]) continue;
        (void)write_all(NULL, k->fds[r], &k->verdict, sizeof k->verdict);
        (void)close(k->fds[r]);
    }
    free(k);
    (void)close(listener);
    return NULL;
}

ncclResult_t nccl_mesh_open_id(ncclUniqueId *id_out)
{
    static unsigned serial;
    struct timespec now;
    pthread_t thread;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    memset(id_out, 0, sizeof *id_out);
    (void)snprintf(id_out->internal, sizeof id_out->internal, "gpu-double-nccl-%d-%u-%lx", (int)getpid(),
                   __atomic_fetch_add(&serial, 1, __ATOMIC_RELAXED), (unsigned long)now.tv_nsec);
    int listener = listen_as(id_out, "keeper");
    if (listener < 0) return nccl_say(ncclSystemError, "socket of the unique id: %s", strerror(errno));
    if (start_thread(&thread, keep_id, (void *)(intptr_t)listener) != 0) {
        (void)close(listener);
        return nccl_say(ncclSystemError, "no thread for the unique id");
    }
    (void)pthread_detach(thread);
    return ncclSuccess;
}

/* ---- connecting ---- */

static bool ask_keeper(ncclComm_t comm)
{
    hello mine = {
        .ranks = comm->size, .rank = comm->rank, .physical_device = gpu_double_physical_device(comm->device), .version = NCCL_VERSION_CODE};
    answer verdict;
    int fd = connect_to(&comm->id, "keeper");
    bool answered = fd >= 0 && write_all(comm, fd, &mine, sizeof mine) && read_all(comm, fd, &verdict, sizeof verdict);
    if (fd >= 0) (void)close(fd);
    if (!answered) nccl_fail(comm, ncclRemoteError, "the process that made the unique id is gone");
    if (answered && verdict.code != ncclSuccess) nccl_fail(comm, verdict.code, "%s", verdict.text);
    return answered && verdict.code == ncclSuccess;
}

/* Every rank listens before it says hello, so that after the keeper's answer all of them do: the higher rank of two connects. */
static bool meet_peers(ncclComm_t comm, int listener)
{
    for (int r = 0; r < comm->rank; r++) {
        char who[16];
        (void)snprintf(who, sizeof who, "%d", r);
        int fd = connect_to(&comm->id, who);
        if (fd < 0 || !write_all(comm, fd, &comm->rank, sizeof comm->rank)) return false;
        comm->peers[r].fd = fd;
    }
    for (int n = comm->rank + 1; n < comm->size; n++) {
        int r = -1;
        if (!wait_ready(comm, listener, POLLIN)) return false;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 || !read_all(comm, fd, &r, sizeof r) || r <= comm->rank || r >= comm->size) return false;
        comm->peers[r].fd = fd;
    }
    return true;
}

static bool connect_all(ncclComm_t comm)
{
    char who[16];
    (void)snprintf(who, sizeof who, "%d", comm->rank);
    int listener = listen_as(&comm->id, who);
    if (listener < 0) {
        nccl_fail(comm, ncclSystemError, "socket of rank %d: %s", comm->rank, strerror(errno));
        return false;
    }
    bool asked = ask_keeper(comm);
    bool met = asked && meet_peers(comm, listener);
    if (asked && !met) nccl_fail(comm, ncclRemoteError, "a rank vanished while the ranks connected");
    (void)close(listener);
    return met;
}

/* ---- reading ---- */

static void post_letter(ncclComm_t comm, int peer, nccl_letter *letter)
{
    (void)pthread_mutex_lock(&comm->lock);
    if (letter->head.kind == NCCL_LETTER_BYE) {
        comm->peers[peer].said_bye = true;
        free(letter);
    } else {
        nccl_letter **end = &comm->peers[peer].inbox;
        while (*end)
            end = &(*end)->next;
        *end = letter;
    }
    (void)pthread_cond_broadcast(&comm->changed);
    (void)pthread_mutex_unlock(&comm->lock);
}

static bool read_letter(ncclComm_t comm, int peer)
{
    int fd = comm->peers[peer].fd;
    nccl_letter *letter = calloc(1, sizeof *letter);
    if (!letter) return false;
    bool ok = read_all(comm, fd, &letter->head, sizeof letter->head) && letter->head.magic == head_magic;
    if (ok && letter->head.bytes > 0) {
        letter->payload = malloc(letter->head.bytes);
        ok = letter->payload && read_all(comm, fd, letter->payload, letter->head.bytes);
    }
    if (ok)
        post_letter(comm, peer, letter);
    else
        nccl_letter_free(letter);
    return ok;
}

/* The connection ended: in order only after the last word of the other side. */
static void lose_peer(ncclComm_t comm, int peer)
{
    (void)pthread_mutex_lock(&comm->lock);
    bool expected = comm->aborted || comm->peers[peer].said_bye;
    (void)pthread_mutex_unlock(&comm->lock);
    if (!expected) nccl_fail(comm, ncclRemoteError, "connection to rank %d closed: its process ended or aborted", peer);
}

static void read_until_aborted(ncclComm_t comm)
{
    struct pollfd *fds = calloc((size_t)comm->size, sizeof *fds);
    for (int r = 0; fds && r < comm->size; r++)
        fds[r] = (struct pollfd){.fd = comm->peers[r].fd, .events = POLLIN};
    while (fds && !is_aborted(comm)) {
        if (poll(fds, (nfds_t)comm->size, LOOK_MS) <= 0) continue;
        for (int r = 0; r < comm->size; r++) {
            if (!fds[r].revents || read_letter(comm, r)) continue;
            fds[r].fd = -1;
            lose_peer(comm, r);
        }
    }
    free(fds);
}

static void *serve(void *arg)
{
    ncclComm_t comm = arg;
    if (!connect_all(comm)) return NULL;
    (void)pthread_mutex_lock(&comm->lock);
    comm->connected = true;
    if (comm->state == ncclInProgress) comm->state = ncclSuccess;
    (void)pthread_mutex_unlock(&comm->lock);
    read_until_aborted(comm);
    return NULL;
}

ncclResult_t nccl_mesh_start(ncclComm_t comm)
{
    comm->state = ncclInProgress;
    return start_thread(&comm->thread, serve, comm) == 0 ? ncclSuccess : nccl_say(ncclSystemError, "no thread for the communicator");
}

void nccl_mesh_stop(ncclComm_t comm)
{
    (void)pthread_join(comm->thread, NULL);
    for (int r = 0; r < comm->size; r++)
        if (comm->peers[r].fd >= 0) (void)close(comm->peers[r].fd);
}

void nccl_mesh_sever(ncclComm_t comm)
{
    for (int r = 0; r < comm->size; r++)
        if (comm->peers[r].fd >= 0) (void)shutdown(comm->peers[r].fd, SHUT_RDWR);
}

/* ---- letters ---- */

bool nccl_mesh_send(ncclComm_t comm, int peer, nccl_head head, const void *payload)
{
    nccl_peer *to = &comm->peers[peer];
    head.magic = head_magic;
    (void)pthread_mutex_lock(&to->writing);
    bool sent = write_all(comm, to->fd, &head, sizeof head) && write_all(comm, to->fd, payload, head.bytes);
    (void)pthread_mutex_unlock(&to->writing);
    return sent;
}

static nccl_letter *unlink_letter(nccl_peer *from, const nccl_head *wanted)
{
    for (nccl_letter **at = &from->inbox; *at; at = &(*at)->next) {
        nccl_letter *letter = *at;
        const nccl_head *head = &letter->head;
        if (head->kind != wanted->kind || head->number != wanted->number || head->replay != wanted->replay) continue;
        *at = letter->next;
        return letter;
    }
    return NULL;
}

/* The peer replays where this rank calls, or the other way round. Called with the lock held. */
static const nccl_head *find_unrecorded(const nccl_peer *from, const nccl_head *wanted)
{
    for (const nccl_letter *letter = from->inbox; letter && wanted->kind == NCCL_LETTER_COLLECTIVE; letter = letter->next) {
        const nccl_head *head = &letter->head;
        if (head->kind == wanted->kind && head->turn == wanted->turn && head->recorded != wanted->recorded) return head;
    }
    return NULL;
}

/* A message that stands before a collective on the peer and after it here, or the other way round: NCCL would hang or mix data up. Called
 * with the lock held. */
static const nccl_head *find_misplaced(ncclComm_t comm, int peer)
{
    const nccl_peer *from = &comm->peers[peer];
    for (const nccl_letter *letter = from->inbox; letter; letter = letter->next) {
        const nccl_head *head = &letter->head;
        if (head->kind == NCCL_LETTER_COLLECTIVE) continue;
        bool sent = head->kind == NCCL_LETTER_SENT;
        bool named = head->number < (sent ? from->receives : from->sends);
        uint64_t here = named ? (sent ? from->receive_at : from->send_at)[head->number] : comm->collectives;
        if (named ? here != head->collectives : here > head->collectives) return head;
    }
    return NULL;
}

/* What is wrong among the letters that have come, if anything; called with the lock held. */
static bool find_mistake(ncclComm_t comm, int peer, const nccl_head *wanted, char *text, size_t max)
{
    const nccl_head *head = find_unrecorded(&comm->peers[peer], wanted);
    if (head) {
        (void)snprintf(text, max, "rank %d %s %s where rank %d %s %s: recorded must be on all ranks what is on one", comm->rank,
                       wanted->recorded ? "replays" : "calls", nccl_function_names[wanted->call.function], peer,
                       head->recorded ? "replays" : "calls", nccl_function_names[head->call.function]);
        return true;
    }
    for (int r = 0; r < comm->size; r++) {
        head = find_misplaced(comm, r);
        if (!head) continue;
        (void)snprintf(text, max, "rank %d: rank %d calls %s of %zu elements on another side of a collective than this rank", comm->rank, r,
                       nccl_function_names[head->call.function], head->call.count);
        return true;
    }
    return false;
}

nccl_letter *nccl_mesh_take(ncclComm_t comm, int peer, const nccl_head *wanted)
{
    nccl_letter *letter = NULL;
    char text[200];
    bool mistaken = false;
    (void)pthread_mutex_lock(&comm->lock);
    while (!comm->aborted && !mistaken) {
        letter = unlink_letter(&comm->peers[peer], wanted);
        if (letter) break;
        mistaken = comm->state == ncclSuccess && find_mistake(comm, peer, wanted, text, sizeof text);
        if (!mistaken) (void)pthread_cond_wait(&comm->changed, &comm->lock);
    }
    (void)pthread_mutex_unlock(&comm->lock);
    if (mistaken) nccl_fail(comm, nccl_misuse(ncclInvalidUsage, "%s", text), "ranks do not call in the same order");
    return letter;
}

void nccl_letter_free(nccl_letter *letter)
{
    if (!letter) return;
    free(letter->payload);
    free(letter);
}
