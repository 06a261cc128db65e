# What only tombolo's own targets see: private headers, warnings, sanitizers, the switch backend. Everything is a
# property of a target; no global flag is set, and nothing here is installed.

find_package(Threads REQUIRED)
if(TOMBOLO_BUILD_BENCHMARKS)
    find_package(Boost 1.74 REQUIRED COMPONENTS context fiber)
elseif(tombolo_switch_backend STREQUAL "boost")
    find_package(Boost 1.74 REQUIRED COMPONENTS context)
else()
    find_package(Boost 1.74 REQUIRED)
endif()

if(NOT TOMBOLO_SANITIZE MATCHES "^(|address,undefined|thread)$")
    message(FATAL_ERROR "TOMBOLO_SANITIZE is \"${TOMBOLO_SANITIZE}\"; it must be empty, \"address,undefined\" or \"thread\".")
endif()

# Warnings and sanitizers, for every executable and library of this tree.
add_library(tombolo_house INTERFACE)
target_compile_features(tombolo_house INTERFACE cxx_std_20)
if(PROJECT_IS_TOP_LEVEL)
    # In full, -Wshadow warns of a constructor's parameter that is called like a member, and clang's of a structured binding
    # in a lambda inside a lambda: that is for the libraries; tests and programs may be briefer.
    target_compile_options(tombolo_house INTERFACE
        -Wall -Wextra -Wpedantic $<$<CXX_COMPILER_ID:GNU>:-Wshadow=local>)
endif()
if(TOMBOLO_WERROR)
    target_compile_options(tombolo_house INTERFACE -Werror)
endif()
if(TOMBOLO_SANITIZE)
    # The check of vtables opens a pipe for each, and takes an object for invalid where descriptors have run out.
    target_compile_options(tombolo_house INTERFACE
        -fsanitize=${TOMBOLO_SANITIZE} -fno-sanitize=vptr -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(tombolo_house INTERFACE -fsanitize=${TOMBOLO_SANITIZE})
endif()

# The same, and the private headers: for the libraries, their tests and the benchmarks.
add_library(tombolo_internals INTERFACE)
target_include_directories(tombolo_internals INTERFACE "${PROJECT_SOURCE_DIR}")
target_link_libraries(tombolo_internals INTERFACE tombolo_house Boost::headers)
if(tombolo_switch_backend STREQUAL "boost")
    target_compile_definitions(tombolo_internals INTERFACE TOMBOLO_SWITCH_BOOST=1)
    target_link_libraries(tombolo_internals INTERFACE Boost::context)
else()
    target_compile_definitions(tombolo_internals INTERFACE TOMBOLO_SWITCH_INLINE=1)
endif()

# tombolo_public_headers(<target> <PUBLIC|INTERFACE> <folder or file under include>...)
# Installs them with the target, and lets CMAKE_VERIFY_INTERFACE_HEADER_SETS prove that each compiles alone.
function(tombolo_public_headers target scope)
    set(headers)
    foreach(name IN LISTS ARGN)
        if(name MATCHES "\\.hpp$")
            file(GLOB found CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/${name}")
        else()
            file(GLOB_RECURSE found CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/${name}/*.hpp")
        endif()
        list(APPEND headers ${found})
    endforeach()
    target_sources(${target} ${scope}
        FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${headers})
endfunction()

# tombolo_library(<target> <exported name> <source>...)
function(tombolo_library target name)
    add_library(${target} ${ARGN})
    add_library(tombolo::${name} ALIAS ${target})
    set_target_properties(${target} PROPERTIES
        EXPORT_NAME ${name}
        CXX_EXTENSIONS OFF
        DEFINE_SYMBOL ""
        VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
    target_compile_features(${target} PUBLIC cxx_std_20)
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:tombolo_internals>)
    if(PROJECT_IS_TOP_LEVEL)
        target_compile_options(${target} PRIVATE -Wshadow -Wconversion)
    endif()
    if(TOMBOLO_SANITIZE)
        # Whoever links a sanitized archive needs the sanitizer's runtime.
        target_link_options(${target} PUBLIC -fsanitize=${TOMBOLO_SANITIZE})
    endif()
endfunction()
