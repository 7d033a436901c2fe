/* Prints struct l4_tcp_info: every field under the name that Linux gives it, units beside it. */
#include "cli/info.h"

#include <stdint.h>

#include "cli/json.h"

/* FIELD(name, unit): the order of struct l4_tcp_info; the state has a name and stands apart. */
#define FIELDS(FIELD)                        \
	FIELD(ca_state, "")                  \
	FIELD(retransmits, "")               \
	FIELD(probes, "")                    \
	FIELD(backoff, "")                   \
	FIELD(options, "")                   \
	FIELD(snd_wscale, "")                \
	FIELD(rcv_wscale, "")                \
	FIELD(delivery_rate_app_limited, "") \
	FIELD(rto, "us")                     \
	FIELD(ato, "us")                     \
	FIELD(snd_mss, "B")                  \
	FIELD(rcv_mss, "B")                  \
	FIELD(unacked, "segments")           \
	FIELD(sacked, "segments")            \
	FIELD(lost, "segments")              \
	FIELD(retrans, "segments")           \
	FIELD(last_data_sent, "ms")          \
	FIELD(last_ack_sent, "ms")           \
	FIELD(last_data_recv, "ms")          \
	FIELD(last_ack_recv, "ms")           \
	FIELD(pmtu, "B")                     \
	FIELD(rcv_ssthresh, "B")             \
	FIELD(rtt, "us")                     \
	FIELD(rttvar, "us")                  \
	FIELD(snd_ssthresh, "segments")      \
	FIELD(snd_cwnd, "segments")          \
	FIELD(advmss, "B")                   \
	FIELD(reordering, "segments")        \
	FIELD(rcv_rtt, "us")                 \
	FIELD(rcv_space, "B")                \
	FIELD(total_retrans, "segments")     \
	FIELD(pacing_rate, "B/s")            \
	FIELD(max_pacing_rate, "B/s")        \
	FIELD(bytes_acked, "B")              \
	FIELD(bytes_received, "B")           \
	FIELD(segs_out, "")                  \
	FIELD(segs_in, "")                   \
	FIELD(notsent_bytes, "B")            \
	FIELD(min_rtt, "us")                 \
	FIELD(data_segs_in, "")              \
	FIELD(data_segs_out, "")             \
	FIELD(delivery_rate, "B/s")          \
	FIELD(busy_time, "us")               \
	FIELD(rwnd_limited, "us")            \
	FIELD(sndbuf_limited, "us")          \
	FIELD(delivered, "segments")         \
	FIELD(delivered_ce, "segments")      \
	FIELD(bytes_sent, "B")               \
	FIELD(bytes_retrans, "B")            \
	FIELD(dsack_dups, "segments")        \
	FIELD(reord_seen, "")                \
	FIELD(rcv_ooopack, "segments")       \
	FIELD(snd_wnd, "B")                  \
	FIELD(rcv_wnd, "B")                  \
	FIELD(rehash, "")                    \
	FIELD(total_rto, "")                 \
	FIELD(total_rto_recoveries, "")      \
	FIELD(total_rto_time, "ms")          \
	FIELD(cwnd_bytes, "B")               \
	FIELD(ssthresh_bytes, "B")           \
	FIELD(in_flight_bytes, "B")          \
	FIELD(tlp_probes, "")                \
	FIELD(spurious_undone, "")           \
	FIELD(rack_reo_wnd_us, "us")         \
	FIELD(drops, "segments")

static void number_text(FILE *f, const char *name, uint64_t v, const char *unit)
{
	if (v == UINT64_MAX || v == UINT32_MAX || v == INT32_MAX) /* as Linux says "no limit" */
		fprintf(f, "  %-26s none\n", name);
	else
		fprintf(
		    f, "  %-26s %llu%s%s\n", name, (unsigned long long)v, unit[0] ? " " : "", unit);
}

void info_print(FILE *f, const struct l4_tcp_info *i, const struct l4_endpoint *local,
    const struct l4_endpoint *remote, bool json)
{
	char a[L4_ENDPOINT_TEXT_MAX], b[L4_ENDPOINT_TEXT_MAX];
	l4_endpoint_format(local, a, sizeof(a));
	l4_endpoint_format(remote, b, sizeof(b));
	if (json) {
		fputs("{\"tcp_info\":{\"local\":", f);
		json_cstr(f, a);
		fputs(",\"remote\":", f);
		json_cstr(f, b);
		fputs(",\"state\":", f);
		json_cstr(f, l4_tcp_state_name(i->state));
#define FIELD(name, unit) fprintf(f, ",\"" #name "\":%llu", (unsigned long long)i->name);
		FIELDS(FIELD)
#undef FIELD
		fputs("}}\n", f);
		return;
	}
	fprintf(f, "%s → %s  %s\n", a, b, l4_tcp_state_name(i->state));
#define FIELD(name, unit) number_text(f, #name, i->name, unit);
	FIELDS(FIELD)
#undef FIELD
}
