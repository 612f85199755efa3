-- KEYS body; ARGV how many queues have it no more.
if redis.call('HINCRBY', KEYS[1], 'n', -tonumber(ARGV[1])) <= 0 then
  redis.call('DEL', KEYS[1])
end
return 0
