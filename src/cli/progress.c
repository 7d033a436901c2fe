/* Progress of a transfer: bytes, share, rate, time left. */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void progress_init(struct progress *p, bool quiet, l4_time now)
{
	memset(p, 0, sizeof(*p));
	p->on = !quiet && isatty(STDERR_FILENO);
	p->start = p->last = now;
}

void progress_bytes(char *out, unsigned cap, uint64_t n)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double v = (double)n;
	unsigned u = 0;
	while (v >= 1024 && u < 4) {
		v /= 1024;
		u++;
	}
	snprintf(out, cap, u ? "%.1f %s" : "%.0f %s", v, unit[u]);
}

void progress_show(struct progress *p, uint64_t done, l4_time now)
{
	char a[24], b[24], rate[24];
	if (!p->on || now - p->start < L4_SEC || now - p->last < 200 * L4_MSEC)
		return;
	double s = (double)(now - p->start) / 1e9;
	p->last = now;
	p->shown = true;
	progress_bytes(a, sizeof(a), done);
	progress_bytes(rate, sizeof(rate), (uint64_t)((double)done / s));
	if (p->total && done <= p->total) {
		progress_bytes(b, sizeof(b), p->total);
		double left = done ? s * (double)(p->total - done) / (double)done : 0;
		fprintf(stderr, "\r%s of %s  %3.0f %%  %s/s  %.0f s left \033[K", a, b,
		    100.0 * (double)done / (double)p->total, rate, left);
	} else {
		fprintf(stderr, "\r%s  %s/s \033[K", a, rate);
	}
	fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}
