-- Opening the store: making it, or finding it, and becoming its owner with the next epoch.
--
-- ARGV: nothing, now, the owner's token, the lease in milliseconds, the version of this code, a salt
-- for a new store. Answers L, the owner's token, its epoch and how long its lease goes on; N and a
-- newer version; or O, the epoch and the salt.

local state = call('HMGET', STATE, 'version', 'salt', 'epoch')
if not state[1] and call('EXISTS', STATE) == 1 then return { 'N', 'none' } end
if state[1] and state[1] ~= ARGV[5] then return { 'N', state[1] } end
local owner = call('GET', OWNER)
if owner and owner ~= ARGV[3] then
  return { 'L', owner, state[3] or '0', call('PTTL', OWNER) }
end
if not state[1] then
  call('HSET', STATE, 'version', ARGV[5], 'salt', ARGV[6], 'epoch', 0, 'seq', 0, 'lanes', 0, 'backlog', 0, 'held', 0)
end
call('SET', OWNER, ARGV[3], 'PX', ARGV[4])
return { 'O', call('HINCRBY', STATE, 'epoch', 1), state[2] or ARGV[6] }
