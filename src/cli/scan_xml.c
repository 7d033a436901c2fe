/* Results in the XML of nmap (its nmap.dtd, output version 1.05), for the tools that read it. */
#define _GNU_SOURCE
#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include <layer4/version.h>

#include "cli/scan.h"

/* Attribute values: the characters XML reserves, and none that it forbids. */
static void put(FILE *f, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
			fprintf(f, "&#%u;", c);
		else if (c < 0x20 || c >= 0x7f)
			fprintf(f, "\\x%02x", c);
		else
			putc(c, f);
	}
}

static void attr(FILE *f, const char *name, const char *value)
{
	fprintf(f, " %s=\"", name);
	put(f, value);
	putc('"', f);
}

static void port(const struct scan_job *j, FILE *f, uint64_t probe)
{
	uint16_t p = j->ports[probe % j->n_ports];
	uint8_t proto = j->type == SCAN_UDP ? 17 : 6, r = j->reasons[probe];
	const struct scan_service *s = scan_service_of(j, probe);
	const char *name = s && s->name[0] ? s->name : ports_service_name(p, proto);
	fprintf(f,
	    "<port protocol=\"%s\" portid=\"%u\"><state state=\"%s\" reason=\"%s\" "
	    "reason_ttl=\"0\"/>",
	    proto == 17 ? "udp" : "tcp", p, scan_state_name(scan_state_of(j->type, r)),
	    scan_reason_name(r));
	if (name) {
		fputs("<service", f);
		attr(f, "name", name);
		if (s && s->product[0])
			attr(f, "product", s->product);
		if (s && s->version[0])
			attr(f, "version", s->version);
		if (s && s->info[0])
			attr(f, "extrainfo", s->info);
		if (s && s->tls)
			attr(f, "tunnel", "ssl");
		fprintf(f, " method=\"%s\" conf=\"%u\"/>", s ? "probed" : "table",
		    s ? s->confidence : 3u);
	}
	fputs("</port>\n", f);
}

static void host(const struct scan_job *j, const struct scan_output *o, uint64_t h,
    const uint16_t *ports, size_t n_ports)
{
	FILE *f = o->xml;
	char addr[L4_ADDR_TEXT_MAX];
	struct l4_addr a = scan_targets_host(j->targets, h);
	uint64_t n[SCAN_REASON_COUNT] = { 0 };
	l4_addr_format(&a, addr, sizeof addr);
	for (uint32_t k = 0; k < j->n_ports; k++)
		n[j->reasons[h * j->n_ports + k]]++;
	fprintf(f,
	    "<host starttime=\"%" PRId64 "\" endtime=\"%" PRId64
	    "\"><status state=\"up\" reason=\"%s\" reason_ttl=\"0\"/>\n",
	    o->unix_start, (int64_t)time(NULL),
	    scan_reason_name(j->hosts[h] ? j->hosts[h] : SCAN_R_USER_SET));
	fprintf(f, "<address addr=\"%s\" addrtype=\"%s\"/>\n", addr,
	    l4_addr_is_ip4(&a) ? "ipv4" : "ipv6");
	static const struct l4_mac none;
	if (j->macs && memcmp(&j->macs[h], &none, sizeof none)) {
		char mac[18];
		l4_mac_format(&j->macs[h], mac, sizeof mac);
		for (char *c = mac; *c; c++) /* as nmap writes it; its tools compare the text */
			*c = (char)toupper((unsigned char)*c);
		fprintf(f, "<address addr=\"%s\" addrtype=\"mac\"/>\n", mac);
	}
	fputs("<hostnames>\n", f);
	const char *name = scan_targets_name(j->targets, &a);
	if (name) {
		fputs("<hostname", f);
		attr(f, "name", name);
		fputs(" type=\"user\"/>\n", f);
	}
	fputs("</hostnames>\n<ports>", f);
	/* A state with more than 25 ports is counted, as nmap does; open never is. */
	uint64_t of[SCAN_OPEN_FILTERED + 1] = { 0 };
	for (int r = 1; r < SCAN_REASON_COUNT; r++)
		of[scan_state_of(j->type, (uint8_t)r)] += n[r];
	for (enum scan_state s = SCAN_CLOSED; s <= SCAN_OPEN_FILTERED; s++) {
		if (of[s] <= 25)
			continue;
		fprintf(f, "<extraports state=\"%s\" count=\"%" PRIu64 "\">\n", scan_state_name(s),
		    of[s]);
		for (int r = 1; r < SCAN_REASON_COUNT; r++)
			if (n[r] && scan_state_of(j->type, (uint8_t)r) == s)
				fprintf(f, "<extrareasons reason=\"%s\" count=\"%" PRIu64 "\"/>\n",
				    scan_reason_name((uint8_t)r), n[r]);
		fputs("</extraports>\n", f);
	}
	for (size_t i = 0; i < n_ports; i++) {
		uint64_t probe = h * j->n_ports + (uint64_t)j->port_index[ports[i]];
		enum scan_state s = scan_state_of(j->type, j->reasons[probe]);
		if (s == SCAN_OPEN || (s != SCAN_UNKNOWN && of[s] <= 25 && !o->open_only))
			port(j, f, probe);
	}
	fputs("</ports>\n</host>\n", f);
}

int scan_output_xml(const struct scan_job *j, const struct scan_output *o)
{
	FILE *f = o->xml;
	char when[64] = "";
	time_t start = (time_t)o->unix_start, end = time(NULL);
	struct tm tm;
	uint64_t up = 0;
	uint16_t ports[65536];
	size_t n_ports = scan_ports_by_number(j, ports);
	if (gmtime_r(&start, &tm))
		strftime(when, sizeof when, "%a %b %d %H:%M:%S %Y", &tm);
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE nmaprun>\n<nmaprun "
	      "scanner=\"nmap\"",
	    f);
	attr(f, "args", o->command);
	fprintf(f,
	    " start=\"%" PRId64
	    "\" startstr=\"%s\" version=\"layer4 %s\" xmloutputversion=\"1.05\">\n",
	    o->unix_start, when, l4_version());
	fprintf(f, "<scaninfo type=\"%s\" protocol=\"%s\" numservices=\"%u\" services=\"",
	    scan_type_name(j->type), j->type == SCAN_UDP ? "udp" : "tcp", j->n_ports);
	for (unsigned p = 0, first = 1; p < 65536; p++) {
		if (j->port_index[p] < 0)
			continue;
		unsigned q = p;
		while (q < 65535 && j->port_index[q + 1] >= 0)
			q++;
		fprintf(f, q > p ? "%s%u-%u" : "%s%u", first ? "" : ",", p, q);
		first = 0;
		p = q;
	}
	fputs("\"/>\n<verbose level=\"0\"/>\n<debugging level=\"0\"/>\n", f);
	for (uint64_t h = 0; h < j->targets->n_hosts; h++) {
		bool heard = j->hosts[h] != 0;
		for (uint32_t k = 0; k < j->n_ports && !heard; k++) {
			uint8_t r = j->reasons[h * j->n_ports + k];
			heard = r != SCAN_R_NONE && r != SCAN_R_NO_RESPONSE;
		}
		if (heard || (j->targets->n_hosts == 1 && !scan_job_host_is_down(j, h))) {
			up++;
			host(j, o, h, ports, n_ports);
		}
	}
	if (gmtime_r(&end, &tm))
		strftime(when, sizeof when, "%a %b %d %H:%M:%S %Y", &tm);
	fprintf(f,
	    "<runstats><finished time=\"%" PRId64 "\" timestr=\"%s\" elapsed=\"%.2f\" exit=\"%s\"/>"
	    "<hosts up=\"%" PRIu64 "\" down=\"%" PRIu64 "\" total=\"%" PRIu64
	    "\"/></runstats>\n</nmaprun>\n",
	    (int64_t)end, when, (double)(j->ended - j->started) / 1e9,
	    scan_stop ? "error" : "success", up, j->targets->n_hosts - up, j->targets->n_hosts);
	return ferror(f) ? -1 : 0;
}
