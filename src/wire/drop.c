/* Names and texts of the drop reasons, from drop.def. */
#include <layer4/drop.h>

static const char *const texts[L4_DROP_N] = {
	"not dropped",
#define L4_DROP(name, text) text,
#include <layer4/drop.def>
#undef L4_DROP
};

static const char *const names[L4_DROP_N] = {
	"NONE",
#define L4_DROP(name, text) #name,
#include <layer4/drop.def>
#undef L4_DROP
};

const char *l4_drop_text(enum l4_drop d)
{
	return (unsigned)d < L4_DROP_N ? texts[d] : "unknown reason";
}

const char *l4_drop_name(enum l4_drop d)
{
	return (unsigned)d < L4_DROP_N ? names[d] : "?";
}
