-- Opening the store: making it, or finding it, and becoming its owner with the next epoch; or looking
-- who is.
--
-- ARGV: nothing, now, the owner's token, the lease in milliseconds, the version of this code, a salt
-- for a new store, whether others may stand by, whether it is to be taken where it is free, and the
-- salt of the store that is meant, where that is known. Answers L, the owner's token or nothing, its
-- epoch, how long its lease goes on, whether it shares, and the salt; N and a newer version; or O,
-- the epoch and the salt.

local state = call('HMGET', STATE, 'version', 'salt', 'epoch', 'shares')
if ARGV[9] ~= '' and state[2] ~= ARGV[9] then return emptied() end
if not state[1] and call('EXISTS', STATE) == 1 then return { 'N', 'none' } end
if state[1] and state[1] ~= ARGV[5] then return { 'N', state[1] } end
local owner = call('GET', OWNER)
if ARGV[8] == '' or (owner and owner ~= ARGV[3]) then
  -- One that shares has left its token: an older program does not know of it.
  local shares = owner and state[4] == owner
  return { 'L', owner or '', state[3] or '0', owner and call('PTTL', OWNER) or 0, shares and 1 or 0, state[2] or '0' }
end
if not state[1] then
  call('HSET', STATE, 'version', ARGV[5], 'salt', ARGV[6], 'epoch', 0, 'seq', 0, 'lanes', 0, 'backlog', 0, 'held', 0)
end
call('SET', OWNER, ARGV[3], 'PX', ARGV[4])
call('HSET', STATE, 'shares', ARGV[7] ~= '' and ARGV[3] or '')
-- Whoever begins walks all there is.
call('DEL', NEWS)
return { 'O', call('HINCRBY', STATE, 'epoch', 1), state[2] or ARGV[6] }
