/* Names and texts of the errors, from err.def. */
#include <layer4/err.h>

const char *l4_version(void)
{
#define STR2(x) #x
#define STR(x)  STR2(x)
	return STR(L4_VERSION_MAJOR) "." STR(L4_VERSION_MINOR) "." STR(L4_VERSION_PATCH);
}

const char *l4_err_text(int err)
{
	switch (err) {
#define L4_ERR(name, value, text) \
	case -(value):            \
		return text;
#include <layer4/err.def>
#undef L4_ERR
	default:
		return err >= 0 ? "success" : "unknown error";
	}
}

const char *l4_err_name(int err)
{
	switch (err) {
#define L4_ERR(name, value, text) \
	case -(value):            \
		return "L4_E" #name;
#include <layer4/err.def>
#undef L4_ERR
	default:
		return err >= 0 ? "L4_OK" : "L4_E?";
	}
}
