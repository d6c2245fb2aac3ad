/* The load side of the proxy benchmark: an echo server and its clients, each one epoll loop in a process of its own.
 *
 *     proxy_load serve                                  prints its port; ends when its stdin does
 *     proxy_load ping PORT PID CONNECTIONS SECONDS      200 bytes there and back, one outstanding a connection
 *     proxy_load bulk PORT PID CONNECTIONS SECONDS      one way, as fast as it goes
 *     proxy_load conn PORT PID CONNECTIONS SECONDS      connect, one byte there and back, close by RST
 *
 * A client prints one JSON object. Of process PID it reads the CPU time over exactly the measured window, and the memory
 * at its end. It is in C because it shares its cores with the servers: what it needs itself levels all of them.
 * Linux; exit code 1 with a sentence on stderr when a load stalls or a connection fails that must not.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MESSAGE = 200,
    CHUNK = 256 << 10,
    ACK_EVERY = 8 << 20,
    BATCH = 32, /* few at a time: long batches make both ends wait for each other in turn */
    STALLED_MS = 5000,
    MOST_DESCRIPTORS = 1 << 16,
    MOST_TIMES = 1 << 24,
};
static const double WARM_UP_S = 0.15;

static char buffer[CHUNK];
static int poller;

static void fail(const char *format, ...) {
    va_list given;
    va_start(given, format);
    vfprintf(stderr, format, given);
    va_end(given);
    fputc('\n', stderr);
    exit(1);
}

static double clock_s(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static double now_s(void) { return clock_s(CLOCK_MONOTONIC); }

static void watch(int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl: %s", strerror(errno));
}

/* Wait for events; a load that stalls ends the process with a sentence. */
static int ready(struct epoll_event *events) {
    int count = epoll_wait(poller, events, BATCH, STALLED_MS);
    if (count == 0) fail("no answer for %d s", STALLED_MS / 1000);
    if (count < 0) fail("epoll_wait: %s", strerror(errno));
    return count;
}

static void without_delay(int fd) { setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); }

static struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int dial(int port) {
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || fd >= MOST_DESCRIPTORS || connect(fd, (struct sockaddr *)&address, sizeof address))
        fail("connect: %s", strerror(errno));
    return fd;
}

static int dial_without_waits(int port) {
    int fd = dial(port);
    without_delay(fd);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* Time on a processor of all threads of a process, from the kernel's books in nanoseconds. */
static double cpu_s(int pid) {
    char path[320];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks) fail("process %d has ended", pid);
    unsigned long long whole = 0, one;
    for (struct dirent *task; (task = readdir(tasks));) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, task->d_name);
        FILE *file = task->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (!file) continue; /* a thread that has just ended */
        if (fscanf(file, "%llu", &one) == 1) whole += one;
        fclose(file);
    }
    closedir(tasks);
    return whole / 1e9;
}

static double rss_mb(int pid) {
    char path[64];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%*s %ld", &pages) != 1) fail("process %d has ended", pid);
    fclose(file);
    return pages * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

/* What a process used, and what was achieved, from the start of the measured time to its end. */
static struct {
    int pid;
    double started, cpu, own_cpu;
    double amount; /* operations, or MB */
    long errors;
    float *times; /* microseconds */
} window;

static void open_window(void) {
    window.amount = window.errors = 0;
    window.cpu = cpu_s(window.pid);
    window.own_cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    window.started = now_s();
}

static void took(double seconds) {
    if (window.amount < MOST_TIMES) window.times[(size_t)window.amount] = seconds * 1e6;
    window.amount++;
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void close_window(void) {
    double elapsed = now_s() - window.started, cpu = cpu_s(window.pid) - window.cpu;
    double own_cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID) - window.own_cpu;
    double each = 1e6 / (window.amount > 1 ? window.amount : 1);
    size_t count = window.amount < MOST_TIMES ? window.amount : MOST_TIMES;
    qsort(window.times, count, sizeof *window.times, ascending);
    printf("{\"per_s\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"cpu_us\": %.3f, \"own_cpu_us\": %.3f, "
           "\"rss_mb\": %.1f, \"errors\": %ld}\n",
           window.amount / elapsed, window.times[count / 2], window.times[(size_t)(count * 0.99)], cpu * each,
           own_cpu * each, rss_mb(window.pid), window.errors);
}

/* Echoes a connection that starts with E; swallows one with S, telling of each 8 MiB by one byte. */
static void serve(void) {
    static char kind[MOST_DESCRIPTORS];
    static long long swallowed[MOST_DESCRIPTORS];
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    without_delay(listener); /* accepted sockets inherit it */
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) fail("bind: %s", strerror(errno));
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    watch(listener, EPOLLIN);
    watch(STDIN_FILENO, EPOLLIN);
    struct epoll_event events[BATCH];
    for (;;) {
        int count = epoll_wait(poller, events, BATCH, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == STDIN_FILENO) return;
            if (fd == listener) {
                /* It stays blocking: it is read when it is readable, and what it is sent fits its buffer. */
                int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (accepted < 0 || accepted >= MOST_DESCRIPTORS) fail("accept: %s", strerror(errno));
                kind[accepted] = 0;
                watch(accepted, EPOLLIN);
                continue;
            }
            ssize_t got = recv(fd, buffer, sizeof buffer, 0);
            if (got <= 0) {
                close(fd);
                continue;
            }
            if (!kind[fd]) {
                kind[fd] = buffer[0];
                swallowed[fd] = 0;
            }
            long long before = swallowed[fd];
            swallowed[fd] += got;
            bool due = swallowed[fd] / ACK_EVERY != before / ACK_EVERY;
            ssize_t answer = kind[fd] == 'E' ? got : due;
            if (answer && send(fd, buffer, answer, MSG_NOSIGNAL) < 0) close(fd);
        }
    }
}

/* Small round trips, one outstanding message a connection. */
static double sent_at[MOST_DESCRIPTORS];
static int missing[MOST_DESCRIPTORS];

static void send_message(int fd, double now) {
    static char message[MESSAGE];
    memset(message, 'E', sizeof message);
    sent_at[fd] = now;
    missing[fd] = MESSAGE;
    if (write(fd, message, MESSAGE) != MESSAGE) fail("write: %s", strerror(errno));
}

static void start_ping(int port, int connections) {
    for (int i = 0; i < connections; i++) {
        int fd = dial_without_waits(port);
        watch(fd, EPOLLIN);
        send_message(fd, now_s());
    }
}

static void ping(int port, int fd, uint32_t event) {
    (void)port, (void)event;
    ssize_t got = read(fd, buffer, MESSAGE);
    if (got <= 0) fail("a connection was closed under load");
    missing[fd] -= got;
    if (!missing[fd]) {
        double now = now_s();
        took(now - sent_at[fd]);
        send_message(fd, now);
    }
}

/* One way as fast as it goes; only what the far end tells to have received counts. */
static void start_bulk(int port, int connections) {
    for (int i = 0; i < connections; i++) watch(dial_without_waits(port), EPOLLIN | EPOLLOUT);
}

static void bulk(int port, int fd, uint32_t event) {
    static char chunk[CHUNK];
    (void)port;
    if (event & EPOLLIN) {
        ssize_t got = read(fd, buffer, sizeof buffer);
        if (got <= 0) fail("a connection was closed under load");
        window.amount += got * (ACK_EVERY / 1e6);
    }
    if (!chunk[0]) memset(chunk, 'S', sizeof chunk);
    if (event & EPOLLOUT && write(fd, chunk, sizeof chunk) < 0 && errno != EAGAIN) fail("write: %s", strerror(errno));
}

/* Connections made, used for one byte there and back, and reset. */
static void start_one(int port) {
    double now = now_s();
    /* On loopback the kernel completes a connect by itself, so that waiting for it takes no event. */
    int fd = dial(port);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    sent_at[fd] = now;
    if (write(fd, "E", 1) != 1) window.errors++; /* refused a moment later: reading it will end it */
    watch(fd, EPOLLIN);
}

static void start_conn(int port, int connections) {
    for (int i = 0; i < connections; i++) start_one(port);
}

static void conn(int port, int fd, uint32_t event) {
    (void)event;
    if (read(fd, buffer, 1) == 1)
        took(now_s() - sent_at[fd]);
    else
        window.errors++;
    close(fd);
    start_one(port);
}

static const struct load {
    const char *name;
    void (*start)(int port, int connections);
    void (*react)(int port, int fd, uint32_t event);
} LOADS[] = {{"ping", start_ping, ping}, {"bulk", start_bulk, bulk}, {"conn", start_conn, conn}};

static void play(const struct load *load, int port, double seconds) {
    struct epoll_event events[BATCH];
    for (double end = now_s() + seconds; now_s() < end;) {
        int count = ready(events);
        for (int i = 0; i < count; i++) load->react(port, events[i].data.fd, events[i].events);
    }
}

static void measure(const struct load *load, char **given) {
    int port = atoi(given[0]);
    window.pid = atoi(given[1]);
    window.times = calloc(MOST_TIMES, sizeof *window.times);
    if (!window.times) fail("no memory for the times");
    load->start(port, atoi(given[2]));
    play(load, port, WARM_UP_S);
    open_window();
    play(load, port, atof(given[3]));
    close_window();
}

int main(int count, char **given) {
    struct rlimit files;
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (count == 2 && !strcmp(given[1], "serve")) {
        serve();
        return 0;
    }
    for (size_t i = 0; count == 6 && i < sizeof LOADS / sizeof *LOADS; i++)
        if (!strcmp(given[1], LOADS[i].name)) {
            measure(&LOADS[i], given + 2);
            return 0;
        }
    fail("usage: proxy_load serve | ping|bulk|conn PORT PID CONNECTIONS SECONDS");
}
