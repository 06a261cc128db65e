# Decides from TOMBOLO_VALGRIND whether the library tells valgrind about its stacks: it takes nothing but a header. Makes
# tombolo_valgrind, for the target that has fibers/context/valgrind.cpp.
include(CheckIncludeFileCXX)

if(NOT TOMBOLO_VALGRIND MATCHES "^(auto|ON|OFF)$")
    message(FATAL_ERROR "TOMBOLO_VALGRIND is \"${TOMBOLO_VALGRIND}\"; it must be auto, ON or OFF.")
endif()

add_library(tombolo_valgrind INTERFACE)
if(NOT TOMBOLO_VALGRIND STREQUAL "OFF")
    check_include_file_cxx(valgrind/valgrind.h TOMBOLO_HAVE_VALGRIND_HEADER)
    if(TOMBOLO_HAVE_VALGRIND_HEADER)
        target_compile_definitions(tombolo_valgrind INTERFACE TOMBOLO_VALGRIND=1)
    elseif(TOMBOLO_VALGRIND STREQUAL "ON")
        message(FATAL_ERROR "TOMBOLO_VALGRIND=ON needs <valgrind/valgrind.h>. Install valgrind, or leave it at auto.")
    endif()
endif()
