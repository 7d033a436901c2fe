/* IPv4 options: their rows, which are part of the table of ip, and the walk over them. */
#ifndef L4_DISSECT_IP_OPTIONS_H
#define L4_DISSECT_IP_OPTIONS_H

#include "dissect/engine.h"

/* Rows that are shared by more than one file come as lists: X(name, row). */
#define ROW_ENUM(name, ...)  name,
#define ROW_TABLE(name, ...) [name] = __VA_ARGS__,

#define IP_OPTION_FIRST OPT_TYPE
#define IP_OPTION_ROWS(X)                                                                     \
	X(OPT_TYPE, ROW("ip.opt.type", "Option type", U8, DEC, .depth = 1, WALK))             \
	X(OPT_COPY, ROW("ip.opt.type.copy", "Copy on fragmentation", BOOL, NONE, .depth = 2)) \
	X(OPT_CLASS, ROW("ip.opt.type.class", "Class", U8, DEC, .depth = 2))                  \
	X(OPT_NUMBER, ROW("ip.opt.type.number", "Number", U8, DEC, .depth = 2))               \
	X(OPT_LEN, ROW("ip.opt.len", "Length", U8, DEC, .depth = 1))                          \
	X(OPT_PTR, ROW("ip.opt.ptr", "Pointer", U8, DEC, .depth = 1))                         \
	X(OPT_OVERFLOW, ROW("ip.opt.overflow", "Overflow", U8, DEC, .depth = 1))              \
	X(OPT_FLAG, ROW("ip.opt.flag", "Flag", U8, HEX, .depth = 1))                          \
	X(OPT_RA, ROW("ip.opt.ra", "Router Alert", U16, DEC, .depth = 1))                     \
	X(OPT_SID, ROW("ip.opt.sid", "Stream Identifier", U16, DEC, .depth = 1))              \
	X(OPT_REC_RT, ROW("ip.rec_rt", "Recorded Route", IP4, NONE, .depth = 1))              \
	X(OPT_CUR_RT, ROW("ip.cur_rt", "Current Route", IP4, NONE, .depth = 1))               \
	X(OPT_SRC_RT, ROW("ip.src_rt", "Source Route", IP4, NONE, .depth = 1))                \
	X(OPT_EMPTY_RT, ROW("ip.empty_rt", "Empty Route", IP4, NONE, .depth = 1))             \
	X(OPT_TS, ROW("ip.opt.time_stamp", "Time stamp", U32, DEC, .depth = 1))               \
	X(OPT_TS_ADDR, ROW("ip.opt.time_stamp_addr", "Address", IP4, NONE, .depth = 1))       \
	X(OPT_LEN_INVALID, EVENT("ip.opt.len.invalid", "Invalid length for option", WARN))

/* Puts the options of the header in v (hlen > 20); `first` is the table's row OPT_TYPE. False: the
 * capture ends within them. */
bool dis_ip_options(struct l4_dissect *d, struct l4_view v, uint32_t hlen, unsigned first);

/* Sets *dst to the address where a source route in the header ends, if one has yet to be gone.
 * False: the capture ends within the options. */
bool dis_ip_route_end(struct l4_view v, uint32_t hlen, const uint8_t **dst);
/* Puts the rows of a destination (proto_ip.c). */
void dis_ip_dst(struct l4_dissect *d, const uint8_t *p);

#endif
