#pragma once

/// Which instrumentation this translation unit is built with, and the sanitizers' fiber interfaces.

#if defined(__SANITIZE_ADDRESS__)
    #define TOMBOLO_ASAN 1
#elif defined(__has_feature)
    #if __has_feature(address_sanitizer)
        #define TOMBOLO_ASAN 1
    #endif
#endif

#if defined(__SANITIZE_THREAD__)
    #define TOMBOLO_TSAN 1
#elif defined(__has_feature)
    #if __has_feature(thread_sanitizer)
        #define TOMBOLO_TSAN 1
    #endif
#endif

#if defined(TOMBOLO_ASAN)
    #include <sanitizer/common_interface_defs.h>
#endif
#if defined(TOMBOLO_TSAN)
    #include <sanitizer/tsan_interface.h>
#endif
