# Decides the context switch backend from TOMBOLO_SWITCH and puts `inline` or `boost` into tombolo_switch_backend.
include(CheckCXXSourceCompiles)

if(NOT TOMBOLO_SWITCH MATCHES "^(auto|inline|boost)$")
    message(FATAL_ERROR "TOMBOLO_SWITCH is \"${TOMBOLO_SWITCH}\"; it must be auto, inline or boost.")
endif()

# Asked of the compiler, because CMAKE_SYSTEM_PROCESSOR names the machine and not what -m32 or -mx32 build for.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
check_cxx_source_compiles([[
#if !(defined(__GNUC__) && ((defined(__x86_64__) && defined(__LP64__)) || (defined(__aarch64__) && defined(__LP64__))))
#error no inline switch for this target
#endif
]] TOMBOLO_HAVE_INLINE_SWITCH)
unset(CMAKE_TRY_COMPILE_TARGET_TYPE)

if(TOMBOLO_SWITCH STREQUAL "inline" AND NOT TOMBOLO_HAVE_INLINE_SWITCH)
    message(FATAL_ERROR "TOMBOLO_SWITCH=inline needs g++ or clang++ for 64-bit x86-64 or AArch64, and the target here is "
        "${CMAKE_SYSTEM_PROCESSOR} with ${CMAKE_CXX_COMPILER_ID}. Use TOMBOLO_SWITCH=boost, or auto.")
endif()

if(TOMBOLO_SWITCH STREQUAL "boost" OR NOT TOMBOLO_HAVE_INLINE_SWITCH)
    set(tombolo_switch_backend boost)
else()
    set(tombolo_switch_backend inline)
endif()
if(PROJECT_IS_TOP_LEVEL)
    message(STATUS "tombolo: ${tombolo_switch_backend} context switch")
endif()
