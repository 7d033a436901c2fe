/* HTTP dates (RFC 9110 5.6.7), to and from seconds since 1970, without the C library's time zone.
 *
 * Days are counted by eras of 400 years (146097 days) with the year beginning in March, so that
 * the leap day is the last of its year and needs no case of its own. */
#include <layer4/http.h>

#include <string.h>

static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
	"Oct", "Nov", "Dec" };

static int64_t days_from_civil(int64_t y, unsigned m, unsigned d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * ((int64_t)m + (m > 2 ? -3 : 9)) + 2) / 5 + (int64_t)d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_from_days(int64_t z, int64_t *y, unsigned *m, unsigned *d)
{
	z += 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	*d = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
	*m = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
	*y = yoe + era * 400 + (*m <= 2);
}

static char *put_n(char *p, unsigned v, int digits)
{
	for (int i = digits - 1; i >= 0; i--) {
		p[i] = (char)('0' + v % 10);
		v /= 10;
	}
	return p + digits;
}

void l4_http_date_format(int64_t unix_s, char out[L4_HTTP_DATE_LEN + 1])
{
	int64_t day = unix_s / 86400, sec = unix_s % 86400, y;
	unsigned m, d;
	char *p = out;
	if (sec < 0) {
		sec += 86400;
		day--;
	}
	civil_from_days(day, &y, &m, &d);
	if (y < 0)
		y = 0;
	if (y > 9999)
		y = 9999;
	int64_t wd = (day % 7 + 11) % 7; /* 1970-01-01 was a Thursday */
	memcpy(p, days[wd], 3);
	memcpy(p + 3, ", ", 2);
	p = put_n(p + 5, d, 2);
	*p++ = ' ';
	memcpy(p, months[m - 1], 3);
	p[3] = ' ';
	p = put_n(p + 4, (unsigned)y, 4);
	*p++ = ' ';
	p = put_n(p, (unsigned)(sec / 3600), 2);
	*p++ = ':';
	p = put_n(p, (unsigned)(sec / 60 % 60), 2);
	*p++ = ':';
	p = put_n(p, (unsigned)(sec % 60), 2);
	memcpy(p, " GMT", 5);
}

/* A pattern walk over the text: each helper takes what it wants or fails. */
static bool take(struct l4_http_str *s, const char *text)
{
	size_t n = strlen(text);
	if (s->len < n || memcmp(s->p, text, n) != 0)
		return false;
	s->p += n;
	s->len -= n;
	return true;
}

static bool take_n(struct l4_http_str *s, size_t digits, unsigned *out)
{
	unsigned v = 0;
	if (s->len < digits)
		return false;
	for (size_t i = 0; i < digits; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		v = v * 10 + (unsigned)(s->p[i] - '0');
	}
	*out = v;
	s->p += digits;
	s->len -= digits;
	return true;
}

static bool take_month(struct l4_http_str *s, unsigned *m)
{
	for (unsigned i = 0; i < 12; i++) {
		if (take(s, months[i])) {
			*m = i + 1;
			return true;
		}
	}
	return false;
}

static bool take_clock(struct l4_http_str *s, unsigned t[3])
{
	return take_n(s, 2, &t[0]) && take(s, ":") && take_n(s, 2, &t[1]) && take(s, ":") &&
	       take_n(s, 2, &t[2]) && t[0] < 24 && t[1] < 60 && t[2] <= 60;
}

static bool take_day_name(struct l4_http_str *s, bool *full)
{
	static const char *const rest[7] = { "day", "day", "sday", "nesday", "rsday", "day",
		"urday" };
	for (unsigned i = 0; i < 7; i++) {
		if (take(s, days[i])) {
			*full = take(s, rest[i]);
			return true;
		}
	}
	return false;
}

/* A two-digit year, in the past when it would be more than 50 years ahead (RFC 9110 5.6.7). */
static unsigned full_year(unsigned yy, int64_t now_s)
{
	int64_t y;
	unsigned m, d;
	civil_from_days(now_s / 86400, &y, &m, &d);
	int64_t v = y - y % 100 + yy;
	if (v > y + 50)
		v -= 100;
	return (unsigned)v;
}

int l4_http_date_parse(int64_t *unix_s, struct l4_http_str s, int64_t now_s)
{
	unsigned y, m, d, t[3];
	bool full, ok;
	if (!take_day_name(&s, &full))
		return L4_EMALFORMED;
	if (full) { /* RFC 850: Sunday, 06-Nov-94 08:49:37 GMT */
		ok = take(&s, ", ") && take_n(&s, 2, &d) && take(&s, "-") && take_month(&s, &m) &&
		     take(&s, "-") && take_n(&s, 2, &y) && take(&s, " ") && take_clock(&s, t) &&
		     take(&s, " GMT");
		if (ok)
			y = full_year(y, now_s);
	} else if (take(&s, ", ")) { /* IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT */
		ok = take_n(&s, 2, &d) && take(&s, " ") && take_month(&s, &m) && take(&s, " ") &&
		     take_n(&s, 4, &y) && take(&s, " ") && take_clock(&s, t) && take(&s, " GMT");
	} else { /* asctime: Sun Nov  6 08:49:37 1994 */
		ok = take(&s, " ") && take_month(&s, &m) && take(&s, " ") &&
		     (take(&s, " ") ? take_n(&s, 1, &d) : take_n(&s, 2, &d)) && take(&s, " ") &&
		     take_clock(&s, t) && take(&s, " ") && take_n(&s, 4, &y);
	}
	if (!ok || s.len || d < 1 || d > 31 || y < 1)
		return L4_EMALFORMED;
	int64_t day = days_from_civil(y, m, d), y2;
	unsigned m2, d2;
	civil_from_days(day, &y2, &m2, &d2);
	if (m2 != m || d2 != d) /* 31 June */
		return L4_EMALFORMED;
	*unix_s = day * 86400 + (int64_t)t[0] * 3600 + (int64_t)t[1] * 60 + (int64_t)t[2];
	return 0;
}
