#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_auth::fuzzing::form_body(data));
