/* The walk over IPv4 options (RFC 791 3.1, RFC 2113, RFC 781). An option whose length cannot be
 * ends the walk: what follows has no known beginning. */
#include "dissect/ip_options.h"

enum { IP_OPTION_ROWS(ROW_ENUM) };

static const char *option_name(uint8_t type)
{
	switch (type) {
	case 0:
		return "End of Options List (EOL)";
	case 1:
		return "No Operation (NOP)";
	case 7:
		return "Record Route";
	case 68:
		return "Time Stamp";
	case 130:
		return "Security";
	case 131:
		return "Loose Source Route";
	case 136:
		return "Stream ID";
	case 137:
		return "Strict Source Route";
	case 148:
		return "Router Alert";
	default:
		return "Unknown option";
	}
}

static bool known(uint8_t type)
{
	static const uint8_t types[] = { 0, 1, 7, 11, 12, 25, 68, 82, 130, 131, 133, 134, 136, 137,
		148 };
	return memchr(types, type, sizeof types) != NULL;
}

/* Of a route: where the next address stands, counted from 1. */
static bool pointer_good(uint8_t ptr)
{
	return ptr >= 4 && ptr % 4 == 0;
}

static void route(struct l4_dissect *d, const uint8_t *o, uint8_t len, unsigned first)
{
	uint8_t ptr = o[2];
	bool record = o[0] == 7;
	dis_u(d, first + OPT_PTR, o + 2, 1, ptr);
	if (!record && !pointer_good(ptr))
		return;
	for (uint32_t k = 3; k + 4 <= len; k += 4) {
		if (k + 1 < ptr)
			dis_p(d, first + OPT_REC_RT, o + k, 4);
		else if (record)
			dis_p(d, first + OPT_EMPTY_RT, o + k, 4);
		else if (k + 8 <= len)
			dis_p(d, first + OPT_SRC_RT, o + k, 4);
		else
			dis_ip_dst(d, o + k);
	}
}

bool dis_ip_route_end(struct l4_view v, uint32_t hlen, const uint8_t **dst)
{
	uint32_t at = 20;
	while (at < hlen) {
		if (at >= v.cap)
			return false;
		uint8_t type = v.p[at];
		if (type <= 1) {
			at++;
			if (type == 0)
				break;
			continue;
		}
		if (at + 1 >= hlen)
			break;
		if (at + 1 >= v.cap)
			return false;
		uint8_t len = v.p[at + 1];
		if (len < 2 || len > hlen - at)
			break;
		if (type == 131 || type == 137) {
			if (len < 7)
				break;
			if (at + len > v.cap)
				return false;
			uint8_t ptr = v.p[at + 2];
			if (pointer_good(ptr) && ptr <= len)
				*dst = v.p + at + len - 4;
			break;
		}
		at += len;
	}
	return true;
}

static void timestamp(struct l4_dissect *d, const uint8_t *o, uint8_t len, unsigned first)
{
	uint8_t flag = o[3] & 15;
	dis_u(d, first + OPT_PTR, o + 2, 1, o[2]);
	dis_u(d, first + OPT_OVERFLOW, o + 3, 1, o[3] >> 4);
	dis_u(d, first + OPT_FLAG, o + 3, 1, flag);
	for (uint32_t k = 4; k < len;) {
		if (flag == 1 || flag == 3) {
			if (k + 8 > len)
				break;
			dis_p(d, first + OPT_TS_ADDR, o + k, 4);
			k += 4;
		}
		if (k + 4 > len)
			break;
		dis_u(d, first + OPT_TS, o + k, 4, l4_get_u32(o + k));
		k += 4;
	}
}

bool dis_ip_options(struct l4_dissect *d, struct l4_view v, uint32_t hlen, unsigned first)
{
	uint32_t at = 20, end = hlen < v.cap ? hlen : v.cap;
	while (at < end) {
		const uint8_t *o = v.p + at;
		uint8_t type = o[0], len = 1;
		if (type > 1)
			len = at + 1 < end ? o[1] : 0;
		bool bad = type > 1 && (len < 2 || len > hlen - at);
		dis_title(d, o, bad ? 1 : len, "IP Option - %s", option_name(type));
		if (bad) {
			dis_expert(d, first + OPT_LEN_INVALID);
			break;
		}
		if (!known(type)) {
			at += len;
			continue;
		}
		dis_u(d, first + OPT_TYPE, o, 1, type);
		dis_u(d, first + OPT_COPY, o, 1, type >> 7);
		dis_u(d, first + OPT_CLASS, o, 1, type >> 5 & 3);
		dis_u(d, first + OPT_NUMBER, o, 1, type & 31);
		if (type <= 1) {
			at++;
			if (type == 0)
				break;
			continue;
		}
		if (at + 1 < end)
			dis_u(d, first + OPT_LEN, o + 1, 1, len);
		if (len > end - at)
			break;
		if ((type == 7 || type == 131 || type == 137) && len >= 3)
			route(d, o, len, first);
		else if (type == 68 && len >= 4)
			timestamp(d, o, len, first);
		else if (type == 148 && len == 4)
			dis_u(d, first + OPT_RA, o + 2, 2, l4_get_u16(o + 2));
		else if (type == 136 && len == 4)
			dis_u(d, first + OPT_SID, o + 2, 2, l4_get_u16(o + 2));
		at += len;
	}
	return true;
}
