// What a widget says of a kernel that is busy or gone. Stands before the code of those that wait for one.
const PATIENCE = 10_000;                                    // milliseconds until the kernel is said to be silent
const SILENT = "The kernel does not answer. If a cell is running, wait for it. If the kernel was restarted, run this cell again.";
