/* What a scan found: as a table for people, or one JSON object a line.
 *
 * Ports in the state that most ports of a host have are counted, not listed, unless there are few;
 * open ports always are listed. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <string.h>

#include "cli/scan.h"

#define LIST_MOST 25 /* a state with at most so many ports is listed port by port */

const struct scan_service *scan_service_of(const struct scan_job *j, uint64_t probe)
{
	for (size_t i = 0; i < j->n_services; i++)
		if (j->services[i].probe == probe)
			return &j->services[i];
	return NULL;
}

static uint8_t proto_of(const struct scan_job *j)
{
	return j->type == SCAN_UDP ? 17 : 6;
}

/* How many ports of a host have each reason. */
static void count(const struct scan_job *j, uint64_t host, uint64_t n[SCAN_REASON_COUNT])
{
	memset(n, 0, SCAN_REASON_COUNT * sizeof *n);
	for (uint32_t p = 0; p < j->n_ports; p++)
		n[j->reasons[host * j->n_ports + p]]++;
}

static uint64_t of_state(
    const struct scan_job *j, const uint64_t n[SCAN_REASON_COUNT], enum scan_state s)
{
	uint64_t sum = 0;
	for (int r = 1; r < SCAN_REASON_COUNT; r++)
		if (scan_state_of(j->type, (uint8_t)r) == s)
			sum += n[r];
	return sum;
}

static bool listed(const struct scan_job *j, const struct scan_output *o,
    const uint64_t n[SCAN_REASON_COUNT], uint8_t reason)
{
	enum scan_state s = scan_state_of(j->type, reason);
	if (s == SCAN_UNKNOWN)
		return false;
	if (s == SCAN_OPEN)
		return true;
	return !o->open_only && of_state(j, n, s) <= LIST_MOST;
}

static bool host_is_shown(
    const struct scan_job *j, uint64_t host, const uint64_t n[SCAN_REASON_COUNT])
{
	if (j->hosts[host])
		return true;
	/* Silence is no sign of a host; anything else is. */
	uint64_t silent = n[SCAN_R_NONE] + n[SCAN_R_NO_RESPONSE];
	return silent < j->n_ports || j->targets->n_hosts == 1;
}

static void host_title(FILE *f, const struct scan_job *j, uint64_t host)
{
	char text[L4_ADDR_TEXT_MAX];
	struct l4_addr a = scan_targets_host(j->targets, host);
	l4_addr_format(&a, text, sizeof text);
	const char *name = scan_targets_name(j->targets, &a);
	if (name)
		fprintf(f, "%s (%s)", name, text);
	else
		fputs(text, f);
	if (j->hosts[host])
		fprintf(f, ": up (%s", scan_reason_name(j->hosts[host]));
	else
		fprintf(f, ": %s (no-response",
		    scan_job_host_is_down(j, host) ? "down" : "not known to be up");
	if (j->host_rtt_ms && j->host_rtt_ms[host] > 0)
		fprintf(f, ", %.2f ms", (double)j->host_rtt_ms[host]);
	fputs(")\n", f);
}

static void print_service(FILE *f, const struct scan_service *s)
{
	if (s->product[0]) {
		ports_print_safe(f, s->product, strlen(s->product));
		if (s->version[0]) {
			putc(' ', f);
			ports_print_safe(f, s->version, strlen(s->version));
		}
	}
	if (s->info[0]) {
		fputs(s->product[0] ? " (" : "(", f);
		ports_print_safe(f, s->info, strlen(s->info));
		putc(')', f);
	}
}

static void port_line(
    const struct scan_job *j, const struct scan_output *o, uint64_t probe, const char *colour)
{
	FILE *f = o->table;
	char port[16];
	uint16_t p = j->ports[probe % j->n_ports];
	uint8_t r = j->reasons[probe];
	const struct scan_service *s = scan_service_of(j, probe);
	const char *name = s && s->name[0] ? s->name : ports_service_name(p, proto_of(j));
	snprintf(port, sizeof port, "%u/%s", p, proto_of(j) == 17 ? "udp" : "tcp");
	fprintf(f, "  %-9s %s%-13s%s %-17s ", port, colour,
	    scan_state_name(scan_state_of(j->type, r)), *colour ? "\033[0m" : "",
	    scan_reason_name(r));
	fprintf(f, "%s%s", s && s->tls && strcmp(name ? name : "", "https") ? "tls/" : "",
	    name && !o->numeric ? name : "-");
	if (s && (s->product[0] || s->info[0])) {
		fputs("  ", f);
		print_service(f, s);
	}
	putc('\n', f);
}

size_t scan_ports_by_number(const struct scan_job *j, uint16_t out[65536])
{
	size_t n = 0;
	for (unsigned p = 0; p < 65536; p++)
		if (j->port_index[p] >= 0)
			out[n++] = (uint16_t)p;
	return n;
}

static void hosts_ports(const struct scan_job *j, const struct scan_output *o, uint64_t host,
    const uint64_t n[SCAN_REASON_COUNT], const uint16_t *ports, size_t n_ports)
{
	FILE *f = o->table;
	bool title = false, show[SCAN_REASON_COUNT];
	for (int r = 0; r < SCAN_REASON_COUNT; r++)
		show[r] = listed(j, o, n, (uint8_t)r);
	for (size_t i = 0; i < n_ports; i++) {
		uint64_t probe = host * j->n_ports + (uint64_t)j->port_index[ports[i]];
		uint8_t r = j->reasons[probe];
		if (!show[r])
			continue;
		if (!title)
			fputs("  PORT      STATE         REASON            SERVICE\n", f);
		title = true;
		enum scan_state s = scan_state_of(j->type, r);
		port_line(j, o, probe,
		    !o->colour         ? ""
		    : s == SCAN_OPEN   ? "\033[32m"
		    : s == SCAN_CLOSED ? "\033[31m"
				       : "\033[33m");
	}
	for (enum scan_state s = SCAN_OPEN; s <= SCAN_OPEN_FILTERED; s++) {
		uint64_t all = of_state(j, n, s);
		if (s == SCAN_OPEN || !all || (!o->open_only && all <= LIST_MOST))
			continue;
		fprintf(f, "  not listed: %" PRIu64 " %s (", all, scan_state_name(s));
		bool first = true;
		for (int r = 1; r < SCAN_REASON_COUNT; r++)
			if (n[r] && scan_state_of(j->type, (uint8_t)r) == s) {
				fprintf(f, "%s%" PRIu64 " %s", first ? "" : ", ", n[r],
				    scan_reason_name((uint8_t)r));
				first = false;
			}
		fputs(")\n", f);
	}
	if (n[SCAN_R_NONE] && !scan_job_host_is_down(j, host))
		fprintf(f, "  not asked: %" PRIu64 "\n", n[SCAN_R_NONE]);
}

static void summary(const struct scan_job *j, FILE *f, uint64_t up, uint64_t open)
{
	double took = (double)(j->ended - j->started) / 1e9;
	fprintf(f,
	    "%" PRIu64 " of %" PRIu64 " host%s up, %" PRIu64 " port%s open; %" PRIu64
	    " packets in %.2f s (%.0f/s)",
	    up, j->targets->n_hosts, j->targets->n_hosts == 1 ? "" : "s", open,
	    open == 1 ? "" : "s", j->c.sent, took, took > 0 ? (double)j->c.sent / took : 0);
	if (j->c.retries)
		fprintf(f, ", %" PRIu64 " asked again", j->c.retries);
	if (j->c.lost)
		fprintf(f, ", %.1f %% got lost on the way", j->loss * 100);
	putc('\n', f);
	if (j->c.rx_drops)
		fprintf(f,
		    "warning: %" PRIu64
		    " answers found no room in our receiver; their probes were sent"
		    " again\n",
		    j->c.rx_drops);
	if (j->c.forged)
		fprintf(f,
		    "warning: %" PRIu64 " answers did not carry our cookie and were ignored\n",
		    j->c.forged);
	if (j->targets->n_reserved)
		fprintf(
		    f, "%" PRIu64 " reserved addresses were left out\n", j->targets->n_reserved);
	if (j->note[0])
		fprintf(f, "%s\n", j->note);
}

int scan_output_table(const struct scan_job *j, const struct scan_output *o)
{
	uint64_t n[SCAN_REASON_COUNT], up = 0, open = 0;
	uint16_t ports[65536]; /* by number, whatever the order of the list */
	size_t n_ports = scan_ports_by_number(j, ports);
	for (uint64_t h = 0; h < j->targets->n_hosts; h++) {
		count(j, h, n);
		uint64_t here = of_state(j, n, SCAN_OPEN);
		open += here;
		up += j->hosts[h] != 0;
		/* In a sweep of many hosts only those with something to tell. */
		if (!host_is_shown(j, h, n) || (j->targets->n_hosts > 256 && !here))
			continue;
		host_title(o->table, j, h);
		hosts_ports(j, o, h, n, ports, n_ports);
	}
	summary(j, o->table, up, open);
	return ferror(o->table) ? -1 : 0;
}

/* --- JSON --------------------------------------------------------------------------------- */

static void json_text(FILE *f, const char *name, const char *value, size_t len)
{
	if (!len)
		return;
	fprintf(f, ",\"%s\":", name);
	ports_json_string(f, value, len);
}

static void json_port(const struct scan_job *j, FILE *f, const char *addr, uint64_t probe)
{
	uint16_t p = j->ports[probe % j->n_ports];
	uint8_t r = j->reasons[probe];
	const struct scan_service *s = scan_service_of(j, probe);
	const char *name = s && s->name[0] ? s->name : ports_service_name(p, proto_of(j));
	fprintf(f,
	    "{\"type\":\"port\",\"address\":\"%s\",\"port\":%u,\"protocol\":\"%s\",\"state\":\"%"
	    "s\",\"reason\":\"%s\"",
	    addr, p, proto_of(j) == 17 ? "udp" : "tcp", scan_state_name(scan_state_of(j->type, r)),
	    scan_reason_name(r));
	if (name)
		json_text(f, "service", name, strlen(name));
	if (s) {
		json_text(f, "product", s->product, strlen(s->product));
		json_text(f, "version", s->version, strlen(s->version));
		json_text(f, "info", s->info, strlen(s->info));
		json_text(f, "banner", s->banner, s->banner_len);
		fprintf(
		    f, ",\"tls\":%s,\"confidence\":%u", s->tls ? "true" : "false", s->confidence);
	}
	fputs("}\n", f);
}

int scan_output_json(const struct scan_job *j, const struct scan_output *o)
{
	FILE *f = o->json;
	uint64_t n[SCAN_REASON_COUNT], up = 0, open = 0;
	for (uint64_t h = 0; h < j->targets->n_hosts; h++) {
		char addr[L4_ADDR_TEXT_MAX];
		struct l4_addr a = scan_targets_host(j->targets, h);
		count(j, h, n);
		up += j->hosts[h] != 0;
		open += of_state(j, n, SCAN_OPEN);
		if (!host_is_shown(j, h, n))
			continue;
		l4_addr_format(&a, addr, sizeof addr);
		const char *name = scan_targets_name(j->targets, &a);
		fprintf(f, "{\"type\":\"host\",\"address\":\"%s\"", addr);
		if (name)
			json_text(f, "name", name, strlen(name));
		fprintf(f, ",\"state\":\"%s\",\"reason\":\"%s\"",
		    j->hosts[h]                   ? "up"
		    : scan_job_host_is_down(j, h) ? "down"
						  : "silent",
		    j->hosts[h] ? scan_reason_name(j->hosts[h]) : "no-response");
		if (j->host_rtt_ms && j->host_rtt_ms[h] > 0)
			fprintf(f, ",\"rtt_ms\":%.3f", (double)j->host_rtt_ms[h]);
		fputs(",\"counts\":{", f);
		bool first = true;
		for (enum scan_state s = SCAN_OPEN; s <= SCAN_OPEN_FILTERED; s++)
			if (of_state(j, n, s)) {
				fprintf(f, "%s\"%s\":%" PRIu64, first ? "" : ",",
				    scan_state_name(s), of_state(j, n, s));
				first = false;
			}
		fputs("}}\n", f);
		bool show[SCAN_REASON_COUNT];
		for (int r = 0; r < SCAN_REASON_COUNT; r++)
			show[r] = listed(j, o, n, (uint8_t)r);
		for (uint32_t k = 0; k < j->n_ports; k++)
			if (show[j->reasons[h * j->n_ports + k]])
				json_port(j, f, addr, h * j->n_ports + k);
	}
	fprintf(f,
	    "{\"type\":\"summary\",\"scan\":\"%s\",\"hosts\":%" PRIu64 ",\"up\":%" PRIu64
	    ",\"ports\":%u,\"open\":%" PRIu64 ",\"seconds\":%.3f,\"packets\":%" PRIu64
	    ",\"retries\":%" PRIu64 ",\"answers\":%" PRIu64
	    ",\"loss\":%.5f,\"receiver_drops\":%" PRIu64 ",\"forged\":%" PRIu64
	    ",\"reserved_left_out\":%" PRIu64 ",\"complete\":%s",
	    scan_type_name(j->type), j->targets->n_hosts, up, j->n_ports, open,
	    (double)(j->ended - j->started) / 1e9, j->c.sent, j->c.retries, j->c.answers, j->loss,
	    j->c.rx_drops, j->c.forged, j->targets->n_reserved, scan_stop ? "false" : "true");
	if (j->probing)
		fprintf(f, ",\"probing_seconds\":%.4f", (double)j->probing / 1e9);
	if (j->n_services)
		fprintf(f, ",\"services_over\":\"%s\"", j->own_tcp ? "layer4" : "kernel");
	json_text(f, "note", j->note, strlen(j->note));
	fputs("}\n", f);
	return ferror(f) ? -1 : 0;
}
