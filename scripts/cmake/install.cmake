include(CMakePackageConfigHelpers)

set(tombolo_config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/tombolo")

set(tombolo_installed tombolo_base tombolo_fibers tombolo_testing tombolo_all)
if(TARGET tombolo_held_locks)
    list(APPEND tombolo_installed tombolo_held_locks)
endif()
if(TARGET tombolo_tls)
    list(APPEND tombolo_installed tombolo_tls)
endif()
install(TARGETS ${tombolo_installed} EXPORT tomboloTargets
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
# An export of its own, which is left out where there is no Boost.
install(TARGETS tombolo_asio EXPORT tomboloAsioTargets FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT tomboloAsioTargets NAMESPACE tombolo:: DESTINATION "${tombolo_config_dir}")
install(EXPORT tomboloTargets NAMESPACE tombolo:: DESTINATION "${tombolo_config_dir}")

configure_package_config_file(scripts/cmake/tomboloConfig.cmake.in "${PROJECT_BINARY_DIR}/tomboloConfig.cmake"
    INSTALL_DESTINATION "${tombolo_config_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/tomboloConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/tomboloConfig.cmake" "${PROJECT_BINARY_DIR}/tomboloConfigVersion.cmake"
    DESTINATION "${tombolo_config_dir}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(DIRECTORY scripts/gdb DESTINATION "${CMAKE_INSTALL_DATADIR}/tombolo" PATTERN __pycache__ EXCLUDE)
