/* The text form of impairments: "loss=2%,delay=20ms,rate=10mbit".
 *
 * One row of the table below for each name; a value is a decimal number and a unit out of the
 * row's list of units. No locale, no strtod: digits are read by hand so that "2%" means the same
 * everywhere. */
#include <layer4/err.h>
#include <layer4/sim.h>

#include <string.h>

struct unit {
	const char *name;
	double scale;
};

static const struct unit units_time[] = { { "", 1e6 }, { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 },
	{ "s", 1e9 }, { "m", 60e9 }, { NULL, 0 } };
static const struct unit units_rate[] = { { "", 0.125 }, { "bit", 0.125 }, { "kbit", 125 },
	{ "mbit", 125e3 }, { "gbit", 125e6 }, { "bps", 1 }, { "kbps", 1e3 }, { "mbps", 1e6 },
	{ "gbps", 1e9 }, { NULL, 0 } };
static const struct unit units_size[] = { { "", 1 }, { "b", 1 }, { "k", 1024 }, { "kb", 1024 },
	{ "m", 1048576 }, { "mb", 1048576 }, { NULL, 0 } };
static const struct unit units_part[] = { { "", 1 }, { "%", 0.01 }, { NULL, 0 } };
static const struct unit units_none[] = { { "", 1 }, { NULL, 0 } };

/* Reads number and unit; returns what follows, or NULL. */
static const char *number(const char *p, const struct unit *units, double *out)
{
	double v = 0, place = 1;
	bool digits = false;
	for (; *p >= '0' && *p <= '9'; p++, digits = true)
		v = v * 10 + (*p - '0');
	if (*p == '.' && p[1] != '.') /* "1..2" is a span */
		for (p++; *p >= '0' && *p <= '9'; p++, digits = true)
			v += (*p - '0') * (place /= 10);
	if (!digits || v > 1e15)
		return NULL;
	size_t n = 0;
	while ((p[n] >= 'a' && p[n] <= 'z') || (p[n] >= 'A' && p[n] <= 'Z') || p[n] == '%')
		n++;
	for (; units->name; units++) {
		bool same = strlen(units->name) == n;
		for (size_t i = 0; same && i < n; i++)
			same = (p[i] | 0x20) == (units->name[i] | 0x20);
		if (same) {
			*out = v * units->scale;
			return *out < 1.8e19 ? p + n : NULL;
		}
	}
	return NULL;
}

enum kind { TIME, RATE, SIZE, PART, MTU, BURST, BLACKOUT };

static const struct row {
	const char *name;
	enum kind kind;
	size_t at; /* offset in struct l4_impair */
} rows[] = {
	{ "rate", RATE, offsetof(struct l4_impair, rate_bytes_per_s) },
	{ "queue", SIZE, offsetof(struct l4_impair, queue_bytes) },
	{ "delay", TIME, offsetof(struct l4_impair, delay) },
	{ "jitter", TIME, offsetof(struct l4_impair, jitter) },
	{ "loss", PART, offsetof(struct l4_impair, loss) },
	{ "burst", BURST, 0 },
	{ "reorder", PART, offsetof(struct l4_impair, reorder) },
	{ "reorder_delay", TIME, offsetof(struct l4_impair, reorder_delay) },
	{ "dup", PART, offsetof(struct l4_impair, duplicate) },
	{ "duplicate", PART, offsetof(struct l4_impair, duplicate) },
	{ "corrupt", PART, offsetof(struct l4_impair, corrupt) },
	{ "mtu", MTU, 0 },
	{ "blackout", BLACKOUT, 0 },
	{ "ecn", SIZE, offsetof(struct l4_impair, ecn_threshold_bytes) },
};

static const char *value(struct l4_impair *o, const struct row *r, const char *p)
{
	double v, w;
	char *base = (char *)o;
	uint64_t u;
	switch (r->kind) {
	case TIME:
	case RATE:
	case SIZE:
		p = number(p,
		    r->kind == TIME   ? units_time
		    : r->kind == RATE ? units_rate
				      : units_size,
		    &v);
		if (!p || (r->kind == RATE && v < 1))
			return NULL;
		u = (uint64_t)(v + 0.5);
		memcpy(base + r->at, &u, sizeof u);
		return p;
	case PART:
		p = number(p, units_part, &v);
		if (!p || v > 1)
			return NULL;
		memcpy(base + r->at, &v, sizeof v);
		return p;
	case MTU:
		p = number(p, units_none, &v);
		if (!p || v < 68 || v > 65535) /* RFC 791: every module takes 68 */
			return NULL;
		o->mtu = (uint32_t)v;
		return p;
	case BURST:
		p = number(p, units_part, &v);
		if (!p || *p != '/' || v >= 1 || !(p = number(p + 1, units_none, &w)) || w < 1)
			return NULL;
		o->burst_loss = v;
		o->burst_len = w;
		return p;
	case BLACKOUT:
		p = number(p, units_time, &v);
		if (!p || strncmp(p, "..", 2) != 0 || !(p = number(p + 2, units_time, &w)) || w < v)
			return NULL;
		o->blackout_from = (l4_time)v;
		o->blackout_to = (l4_time)w;
		return p;
	}
	return NULL;
}

int l4_impair_parse(struct l4_impair *out, const char *text, size_t *at)
{
	struct l4_impair o = { 0 };
	const char *p = text;
	while (*p) {
		const char *part = p;
		size_t n = strcspn(p, "=,");
		const struct row *r = NULL;
		for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
			if (strlen(rows[i].name) == n && !strncmp(rows[i].name, p, n))
				r = &rows[i];
		p = r && p[n] == '=' ? value(&o, r, p + n + 1) : NULL;
		if (!p || (*p && *p != ',') || (*p == ',' && !p[1])) {
			if (at)
				*at = (size_t)(part - text);
			return L4_EMALFORMED;
		}
		if (*p)
			p++;
	}
	*out = o;
	return 0;
}
