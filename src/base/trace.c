/* The texts of decisions and trace events, out of why.def and trace.def. */
#include <layer4/trace.h>

#include <stdio.h>
#include <string.h>

static const char *const why_text[] = {
#define L4_WHY(name, text) text,
#include <layer4/why.def>
#undef L4_WHY
};

static const struct {
	const char *label;
	const char *v[4];
} kinds[] = {
#define L4_TRACE(name, label, v0, v1, v2, v3) { label, { v0, v1, v2, v3 } },
#include <layer4/trace.def>
#undef L4_TRACE
};

/* A number, or a time in ms with three digits that count, as the unit letter says. */
static int value(char *out, size_t cap, char unit, int64_t v)
{
	if (unit != 'n')
		return snprintf(out, cap, "%lld", (long long)v);
	double ms = (double)v / 1e6;
	int digits = ms >= 100 || ms <= -100 ? 0 : ms >= 10 || ms <= -10 ? 1 : 2;
	return snprintf(out, cap, "%.*f ms", digits, ms);
}

size_t l4_why_format(const struct l4_why *w, char *text, size_t cap)
{
	size_t n = 0;
	const char *s = w->code < L4_WHY_COUNT ? why_text[w->code] : "";
	if (!cap)
		return 0;
	while (*s && n + 1 < cap) {
		if (s[0] == '%' && (s[1] == 'a' || s[1] == 'b') && (s[2] == 'd' || s[2] == 'n')) {
			char v[32];
			int len = value(v, sizeof v, s[2], s[1] == 'a' ? w->a : w->b);
			for (int i = 0; i < len && n + 1 < cap; i++)
				text[n++] = v[i];
			s += 3;
		} else {
			text[n++] = *s++;
		}
	}
	text[n] = 0;
	return n;
}

const char *l4_trace_label(unsigned kind)
{
	return kind < L4_TRACE_COUNT ? kinds[kind].label : "";
}

const char *l4_trace_value_name(unsigned kind, unsigned i)
{
	return kind < L4_TRACE_COUNT && i < 4 ? kinds[kind].v[i] : "";
}
