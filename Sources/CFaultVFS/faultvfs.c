#include "faultvfs.h"
