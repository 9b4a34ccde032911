-- Claiming: one entry a batch says which attempts are about to begin.
--
-- ARGV: epoch, now, the claim's field, its members.

local refusal = fence()
if refusal then return refusal end
call('HSET', CLAIMS, ARGV[3], ARGV[4])
return 'OK'
