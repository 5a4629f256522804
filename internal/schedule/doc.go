// Package schedule says when something is due: cron expressions in a time
// zone, shifted a little for each plan, begun only while windows are open.
//
// It is pure. The clock is an argument, and the same arguments give the same
// answer on every machine, so that a service that was restarted, or took over
// from another, goes on with the same instants.
//
// What a time of day means when clocks are set forward or back:
//
//   - A time that does not exist (02:30 in the night in which 02:00 becomes
//     03:00) is due once, at the instant the clock is set forward.
//   - A time that exists twice is due once, the first time.
//   - An expression for every hour ("*/15 * * * *") counts real time: it is
//     due in both of two equal hours, and in none that does not exist.
package schedule
