package copies

// password opens the repositories of all tests.
const password = "correct horse"
