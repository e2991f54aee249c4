/* Signals while training: USR1, INT, TERM: save and stop (a second INT or TERM stops at once); USR2: save and go on. */
#ifndef FUT_LAUNCH_SIGNALS_H
#define FUT_LAUNCH_SIGNALS_H

#include <stdbool.h>

void fut_signals_catch(void);
void fut_signals_restore(void);
/* Was this process asked to stop? Stays true. */
bool fut_signals_stop(void);
/* Was a save asked for since the last call? */
bool fut_signals_take_save(void);

#endif
