/* What is known of each probe, and the words for it. */
#define _GNU_SOURCE
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/scan.h"

volatile sig_atomic_t scan_stop;

l4_time scan_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (l4_time)ts.tv_sec * L4_SEC + (l4_time)ts.tv_nsec;
}

const char *scan_reason_name(uint8_t reason)
{
	static const char *const names[] = {
#define SCAN_REASON(name, text) text,
		SCAN_REASONS(SCAN_REASON)
#undef SCAN_REASON
	};
	return reason < SCAN_REASON_COUNT ? names[reason] : "unknown";
}

const char *scan_state_name(enum scan_state s)
{
	static const char *const names[] = { "unknown", "open", "closed", "filtered", "unfiltered",
		"open|filtered" };
	return names[s];
}

const char *scan_type_name(enum scan_type type)
{
	static const char *const names[] = { "syn", "connect", "udp", "ack", "fin", "null", "xmas",
		"window" };
	return names[type];
}

enum scan_state scan_state_of(enum scan_type type, uint8_t reason)
{
	bool stealth = type == SCAN_FIN || type == SCAN_NULL || type == SCAN_XMAS;
	switch ((enum scan_reason)reason) {
	case SCAN_R_NONE:
		return SCAN_UNKNOWN;
	case SCAN_R_SYN_ACK:
	case SCAN_R_UDP_RESPONSE:
		return SCAN_OPEN;
	case SCAN_R_RESET:
		return type == SCAN_ACK ? SCAN_UNFILTERED : SCAN_CLOSED;
	case SCAN_R_RESET_WINDOW:
		return SCAN_OPEN;
	case SCAN_R_CONN_REFUSED:
		return SCAN_CLOSED;
	case SCAN_R_PORT_UNREACH:
		return type == SCAN_UDP ? SCAN_CLOSED : SCAN_FILTERED;
	case SCAN_R_NO_RESPONSE:
		return stealth || type == SCAN_UDP ? SCAN_OPEN_FILTERED : SCAN_FILTERED;
	case SCAN_R_HOST_UNREACH:
	case SCAN_R_NET_UNREACH:
	case SCAN_R_PROTO_UNREACH:
	case SCAN_R_ADMIN_PROHIBITED:
	case SCAN_R_TTL_EXCEEDED:
	case SCAN_R_NO_ROUTE:
		return SCAN_FILTERED;
	case SCAN_R_ARP_RESPONSE:
	case SCAN_R_NDP_RESPONSE:
	case SCAN_R_ECHO_REPLY:
	case SCAN_R_LOCALHOST:
	case SCAN_R_USER_SET:
	case SCAN_REASON_COUNT:
		break;
	}
	return SCAN_UNKNOWN;
}

bool scan_job_answer(struct scan_job *j, uint64_t probe, uint8_t reason)
{
	bool open = scan_state_of(j->type, reason) == SCAN_OPEN;
	uint8_t old = __atomic_load_n(&j->reasons[probe], __ATOMIC_RELAXED);
	bool first;
	do { /* another thread may have an answer to the same probe */
		first = old == SCAN_R_NONE || old == SCAN_R_NO_RESPONSE;
		if (!first && !open)
			break;
	} while (!__atomic_compare_exchange_n(
	    &j->reasons[probe], &old, reason, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	if (reason != SCAN_R_NO_RESPONSE) {
		j->c.answers++;
		j->c.late += old == SCAN_R_NO_RESPONSE;
	}
	return first;
}

void scan_job_heard(struct scan_job *j, uint64_t host, uint8_t reason, l4_time rtt)
{
	float ms = (float)((double)rtt / 1e6), old = 1;
	if (!__atomic_load_n(&j->hosts[host], __ATOMIC_RELAXED))
		__atomic_store_n(&j->hosts[host], reason, __ATOMIC_RELAXED);
	if (j->host_rtt_ms && rtt) {
		__atomic_load(&j->host_rtt_ms[host], &old, __ATOMIC_RELAXED);
		if (!(old > 0))
			__atomic_store(&j->host_rtt_ms[host], &ms, __ATOMIC_RELAXED);
	}
}

void scan_progress(
    const struct scan_job *j, const char *what, uint64_t done, uint64_t all, bool end)
{
	static l4_time last;
	static bool shown;
	l4_time now = scan_now();
	if (!j->progress || now - j->started < L4_SEC || (!end && now - last < L4_SEC / 4))
		return;
	last = now;
	if (end) {
		if (shown)
			fputs("\r\033[K", stderr);
		shown = false;
		return;
	}
	double part = all ? (double)done / (double)all : 0;
	double took = (double)(now - j->started) / 1e9;
	shown = true;
	if (part > 0.01 && part <= 1)
		fprintf(stderr, "\r\033[K%s: %.1f %%, %.0f packets/s, %.0f s left", what,
		    part * 100, (double)j->c.sent / took, took / part - took);
	else
		fprintf(stderr, "\r\033[K%s: %llu of %llu", what, (unsigned long long)done,
		    (unsigned long long)all);
	fflush(stderr);
}
