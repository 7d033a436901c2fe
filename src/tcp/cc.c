/* What congestion controls share: the table of them, slow start, additive increase. */
#include "tcp/cc.h"

static const struct l4_cc_ops *const table[] = { &l4_cc_cubic, &l4_cc_reno, &l4_cc_bbr };

const struct l4_cc_ops *l4_cc_find(const char *name)
{
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (!strcmp(table[i]->name, name))
			return table[i];
	return NULL;
}

uint32_t l4_cc_slow_start(struct l4_tcp *c, uint32_t n)
{
	uint32_t most = c->ssthresh < L4_CWND_MAX ? c->ssthresh : L4_CWND_MAX;
	if (c->cwnd >= most)
		return n;
	uint32_t to = n < most - c->cwnd ? c->cwnd + n : most;
	n -= to - c->cwnd;
	c->cwnd = to;
	return n;
}

void l4_cc_avoid(struct l4_tcp *c, uint32_t w, uint32_t n)
{
	if (c->cwnd >= L4_CWND_MAX)
		return;
	if (c->cwnd_cnt >= w) { /* w got smaller */
		c->cwnd_cnt = 0;
		c->cwnd++;
	}
	c->cwnd_cnt += n;
	if (c->cwnd_cnt >= w) {
		uint32_t d = c->cwnd_cnt / w;
		c->cwnd_cnt -= d * w;
		c->cwnd += d;
	}
}
