#pragma once

#include <string>

// An authority of the examples' own, and a certificate that it has signed for localhost, 127.0.0.1 and ::1. Everybody knows the key:
// it is good for examples only.
namespace localhost {

inline const std::string authority = R"(-----BEGIN CERTIFICATE-----
MIIBWTCCAQCgAwIBAgICEAEwCgYIKoZIzj0EAwIwGzEZMBcGA1UEAwwQdG9tYm9s
byBleGFtcGxlczAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowGzEZ
MBcGA1UEAwwQdG9tYm9sbyBleGFtcGxlczBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABDpvcwGgmWrXl3PuKkfYxwJj2Dsj+Z3DzoN+JrrKUTKaNjKJugCR2nhlQFxI
pM5y6b2Ts4fZf4nRaUNhmwKecLujMjAwMA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0O
BBYEFIW8PtGSxayQe7UAeG3b8nVGaKz+MAoGCCqGSM49BAMCA0cAMEQCIDg4b1HB
8EbwOUsnwW4r0vLgfR3AdYLrYT6dmbwsGMzoAiBi1rIUN2l9S9fUF++lW4aim+fz
cdqBshotmNWTh5M1JQ==
-----END CERTIFICATE-----
)";

inline const std::string certificate = R"(-----BEGIN CERTIFICATE-----
MIIBnTCCAUKgAwIBAgICEAIwCgYIKoZIzj0EAwIwGzEZMBcGA1UEAwwQdG9tYm9s
byBleGFtcGxlczAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFDES
MBAGA1UEAwwJbG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEdipD
w7FXoPLKt3QLBaHcLCIvCGUyZpBDNt9B8hSNekj9btxyKfOsHb1zTbmbm6JF4bHu
GhZ1V3OjZGbQnpwkcaN7MHkwLAYDVR0RBCUwI4IJbG9jYWxob3N0hwR/AAABhxAA
AAAAAAAAAAAAAAAAAAABMAkGA1UdEwQCMAAwHQYDVR0OBBYEFPx8TmJNyTjNlR34
WaOHJgknEFIpMB8GA1UdIwQYMBaAFIW8PtGSxayQe7UAeG3b8nVGaKz+MAoGCCqG
SM49BAMCA0kAMEYCIQCxDEiJW9gFqysYAeZU0vB5djk2JNkv0a71/703gW0OOAIh
ANb/h8//2PRmr28em70wnHACMzvIAeUpQUg9abpD9/S4
-----END CERTIFICATE-----
)";

inline const std::string key = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgfhDySEhxHnSymicw
2AJKGhuvdLz7ayTFR3KsLTPUCdqhRANCAAR2KkPDsVeg8sq3dAsFodwsIi8IZTJm
kEM230HyFI16SP1u3HIp86wdvXNNuZubokXhse4aFnVXc6NkZtCenCRx
-----END PRIVATE KEY-----
)";

}  // namespace localhost
