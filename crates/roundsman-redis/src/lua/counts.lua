-- How many there are of each kind, at one moment: backlog, scheduled, held, dead, ids.

local state = call('HMGET', STATE, 'backlog', 'held')
return { tonumber(state[1]) or 0, call('ZCARD', DUE), tonumber(state[2]) or 0, call('ZCARD', DEAD), call('HLEN', IDS) }
